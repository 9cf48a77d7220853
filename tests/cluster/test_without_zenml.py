"""`kubectl apply -k` of an overlay in a namespace of its own, and the request that the page shows."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
from collections.abc import Iterator

import pytest

from k8s.platform.settings import Settings
from project.images import image_name
from project.paths import ROOT
from tests.cluster.conftest import kubectl
from tests.served import HOST, REFERENCE, free_port, listens, until

pytestmark = pytest.mark.cluster
LABEL = "app.kubernetes.io/name=model-service"


@pytest.fixture(params=["minikube", "eks/advanced/seldon"])
def overlay(request: pytest.FixtureRequest) -> str:
    """One for each way in which the pods are made."""
    return str(request.param)


@pytest.fixture
def namespace(platform: Settings, overlay: str) -> Iterator[str]:
    """A namespace under the restricted standard, gone afterwards."""
    name = f"tests-{overlay.replace('/', '-')}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def test_the_overlay_serves_the_reference_bundle_with_a_key_of_its_own(
    namespace: str, overlay: str, platform: Settings
) -> None:
    built = kubectl("kustomize", str(ROOT / "k8s" / "overlays" / overlay))
    objects = built.replace("image: heart-model:dev", f"image: {image_name('serving', platform.registry)}")
    for _ in range(2):  # twice is as good as once
        kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=objects)
    until(lambda: _ready(namespace), seconds=120)
    secret = json.loads(kubectl("get", "secret", "model-keys", "--namespace", namespace, "--output", "json"))
    key, port = base64.b64decode(secret["data"]["key"]).decode(), free_port()
    command = ["kubectl", "port-forward", "--namespace", namespace, "svc/model-service", f"{port}:80"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as forward:
        try:
            until(lambda: listens(port))
            example = json.loads((REFERENCE / "serving.json").read_bytes())["example"]
            status, answer = _ask(port, example["row"], {"X-API-Key": key})
            assert status == 200
            assert answer["probability"] == pytest.approx(example["probabilities"][1], abs=1e-6)
            assert _ask(port, example["row"], {})[0] == 401
        finally:
            forward.terminate()


def _ready(namespace: str) -> bool:
    """Whether the Service has a pod to send requests to."""
    listed = kubectl("get", "pods", "--namespace", namespace, "--selector", LABEL, "--output", "json")
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for pod in json.loads(listed)["items"]
        for condition in pod["status"].get("conditions", [])
    )


def _ask(port: int, row: object, headers: dict[str, str]) -> tuple[int, dict[str, float]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("POST", "/predict", json.dumps(row), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
