"""The official Python client of Seldon Core asks an endpoint through the gateway, on Seldon's own path."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest

from k8s.platform.settings import MODELS
from tests.cluster.endpoints import DASHED, NAME, Trial, key
from tests.integration.venvs import Venvs

pytestmark = pytest.mark.cluster
CLIENT = """
    import json, sys
    import numpy as np
    from google.protobuf.json_format import MessageToDict
    from seldon_core.seldon_client import SeldonClient

    gateway, namespace, name, key, row = *sys.argv[1:5], json.loads(sys.argv[5])
    client = SeldonClient(
        gateway="istio", transport="rest", deployment_name=name, namespace=namespace, gateway_endpoint=gateway
    )
    data = {"data": np.array([list(row.values())], dtype=float), "names": list(row)}
    said = {}
    for kind in ("ndarray", "tensor"):
        answer = client.predict(payload_type=kind, client_return_type="proto", headers={"X-API-Key": key}, **data)
        assert answer.success and answer.response is not None, answer.msg
        said[kind] = MessageToDict(answer.response)
    print(json.dumps(said))
"""


def test_its_answers_are_the_bundles(trial: Trial, pytestconfig: pytest.Config) -> None:
    example = json.loads((trial.made["v1"] / "serving.json").read_bytes())["example"]
    gateway = urlsplit(trial.deployer.target.url).netloc
    venvs = Venvs(pytestconfig.cache.mkdir("venvs"))
    said = venvs.run("seldon", CLIENT, gateway, MODELS, DASHED, key(), json.dumps(example["row"]))
    assert said["ndarray"]["data"]["ndarray"][0] == pytest.approx(example["probabilities"], abs=1e-6)
    assert said["tensor"]["data"]["tensor"]["values"] == pytest.approx(example["probabilities"], abs=1e-6)
    assert said["ndarray"]["meta"]["tags"] == {"model": NAME, "version": "v1"}
