"""Seldon V1: its own client against this server, and one request set on its own wrapper and on this server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.venvs import Venvs
from tests.served import REFERENCE, Served, free_port, until

CLIENT = """
    import json, sys
    import numpy as np
    from google.protobuf.json_format import MessageToDict
    from seldon_core.seldon_client import SeldonClient

    port, open_port, key, row = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    data = {"data": np.array([list(row.values())], dtype=float), "names": list(row)}
    keyed = {"headers": {"X-API-Key": key}}
    asked = {
        "istio": ({"namespace": "models", "gateway_endpoint": f"127.0.0.1:{port}"}, keyed),
        "ambassador": ({"gateway_endpoint": f"127.0.0.1:{port}"}, keyed),  # without a namespace in the path
        "seldon": ({"gateway_endpoint": f"127.0.0.1:{open_port}"}, {}),  # sends no headers: for an open server
    }
    said = {}
    for gateway, (where, more) in asked.items():
        client = SeldonClient(gateway=gateway, transport="rest", deployment_name="heart", **where)
        for kind in ("ndarray", "tensor"):
            answer = client.predict(payload_type=kind, client_return_type="proto", **data, **more)
            assert answer.success and answer.response is not None, (gateway, answer.msg)
            said[f"{gateway} {kind}"] = MessageToDict(answer.response)
        wrong = client.predict(**{**data, "data": data["data"] * 100}, **more)
        said[f"{gateway} refused"] = [wrong.success, wrong.msg]
    told = client.feedback(answer.request, answer.response, reward=0.5)
    said["feedback"] = [told.success, told.response["meta"]["puid"], answer.response.meta.puid]
    print(json.dumps(said))
"""


def test_its_client(served: Served, open_server: Served, row: dict[str, Any], probability: float, venvs: Venvs) -> None:
    said = venvs.run("seldon", CLIENT, str(served.port), str(open_server.port), served.key, json.dumps(row))
    for gateway in ("istio", "ambassador", "seldon"):
        arrays, tensors = said[f"{gateway} ndarray"], said[f"{gateway} tensor"]
        assert arrays["data"]["ndarray"][0][1] == pytest.approx(probability, abs=1e-6)
        assert tensors["data"]["tensor"]["shape"] == [1, 2]
        assert tensors["data"]["tensor"]["values"][1] == pytest.approx(probability, abs=1e-6)
        assert arrays["data"]["names"] == tensors["data"]["names"] == ["no disease", "disease"]
        assert arrays["meta"]["tags"] == {"model": "heart_disease", "version": "1"}
        assert said[f"{gateway} refused"] == [False, "422:Unprocessable Entity"]
    success, puid, of_the_answer = said["feedback"]
    assert success
    assert puid == of_the_answer
    with urllib.request.urlopen(f"{open_server.url}/metrics", timeout=5) as answer:
        assert 'feedback_reward{model="heart_disease",version="1"} 0.5' in answer.read().decode()


@pytest.fixture(scope="module")
def wrapper(tmp_path_factory: pytest.TempPathFactory, venvs: Venvs) -> Iterator[str]:
    """The address of `seldon-core-microservice` with the model of the reference bundle."""
    folder, port = tmp_path_factory.mktemp("wrapper"), free_port()
    python = venvs.python("seldon")
    command = [str(python.with_name("seldon-core-microservice")), "seldon_reference.Reference"]
    command += ["--service-type", "MODEL", "--http-port", str(port)]
    command += ["--grpc-port", str(free_port()), "--metrics-port", str(free_port())]
    environment = {**os.environ, "BUNDLE": str(REFERENCE), "GUNICORN_WORKERS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=Path(__file__).parent, env=environment, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            until(lambda: pinged(f"http://127.0.0.1:{port}/health/ping"))
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it leaves its workers behind when it is told to end


def pinged(url: str) -> bool:
    """Whether something says yes there."""
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except OSError:
        return False


ROWS: list[list[Any]] = [
    [63, 1, 1, 145, 233, True, 2, 150, False, 2.3, 3, 0, 6],
    [67, 1, 4, 160, 286, False, 2, 108, True, 1.5, 2, 3, 3],
    [40, 0, None, None, None, None, None, None, None, None, None, None, None],
]
META = {
    "puid": "a-1",
    "tags": {"ward": 3},
    "metrics": [{"type": "COUNTER", "key": "asked", "value": 1.0}],
    "requestPath": {"client": "test"},
}
ALIKE: dict[str, tuple[str, Any]] = {
    "one row": ("/api/v1.0/predictions", {"data": {"ndarray": ROWS[:1]}}),
    "rows": ("/api/v1.0/predictions", {"data": {"ndarray": ROWS}}),
    "older path": ("/api/v0.1/predictions", {"data": {"ndarray": ROWS}}),
    "tensor": ("/api/v1.0/predictions", {"data": {"tensor": {"shape": [2, 13], "values": [*ROWS[0], *ROWS[1]]}}}),
    "no names": ("/api/v1.0/predictions", {"data": {"names": [], "ndarray": ROWS}}),
    "id": ("/api/v1.0/predictions", {"data": {"ndarray": ROWS}, "meta": {"puid": "a-1"}}),
    "meta": ("/api/v1.0/predictions", {"data": {"ndarray": ROWS}, "meta": META}),
    "meta of a tensor": (
        "/api/v1.0/predictions",
        {"data": {"tensor": {"shape": [1, 13], "values": ROWS[1]}}, "meta": META},
    ),
    "empty meta": ("/api/v1.0/predictions", {"data": {"ndarray": ROWS}, "meta": {}}),
}
REFUSED: dict[str, tuple[Any, int, int]] = {
    "no JSON": (b"{", 400, 400),
    "no data": ({}, 400, 400),
    "no known reward": ({"reward": "x"}, 422, 400),
    "a shape that does not hold": ({"data": {"tensor": {"shape": [1, 12], "values": ROWS[0]}}}, 400, 500),
    "a row that is none": ({"data": {"ndarray": [1]}}, 400, 500),
    "a code that is unknown": ({"data": {"ndarray": [[63, 7, *ROWS[0][2:]]]}}, 422, 500),
    "text": ({"strData": "63"}, 400, 500),
}
"""A body, the status here and the status there: on purpose a client's error is the client's, and says which value."""


def asked(url: str, body: Any) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def flattened(value: Any, where: str = "") -> dict[str, Any]:
    """Every leaf of a document by its path; numbers as far as both agree."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {path: leaf for key, each in pairs for path, leaf in flattened(each, f"{where}/{key}").items()}
    return {where: pytest.approx(value, abs=1e-6) if isinstance(value, float) else value}


@pytest.mark.parametrize("name", ALIKE)
def test_its_wrapper_answers_alike(open_server: Served, wrapper: str, name: str) -> None:
    path, body = ALIKE[name]
    (status, theirs), (own_status, ours) = asked(f"{wrapper}{path}", body), asked(f"{open_server.url}{path}", body)
    assert (status, own_status) == (200, 200)
    expected, found = flattened(theirs), flattened(ours)
    if "puid" not in body.get("meta", {}):
        assert found.pop("/meta/puid")  # on purpose: every answer has an id, which feedback and the log name
    assert found == expected


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_refuses_is_refused_here(open_server: Served, wrapper: str, name: str) -> None:
    body, status, its_status = REFUSED[name]
    path = "/api/v1.0/feedback" if isinstance(body, dict) and "reward" in body else "/api/v1.0/predictions"
    found, document = asked(f"{open_server.url}{path}", body)
    assert (found, document["status"]) == (status, status)
    assert asked(f"{wrapper}{path}", body)[0] == its_status


def test_feedback_is_taken_as_there(open_server: Served, wrapper: str) -> None:
    answer = asked(f"{open_server.url}/api/v1.0/predictions", {"data": {"ndarray": ROWS[:1]}, "meta": {"puid": "f"}})[1]
    body = {"request": {"data": {"ndarray": ROWS[:1]}}, "response": answer, "reward": 1.0, "truth": answer}
    status, ours = asked(f"{open_server.url}/api/v1.0/feedback", body)
    its_status, theirs = asked(f"{wrapper}/api/v1.0/feedback", body)
    assert (status, its_status) == (200, 200)
    # On purpose: no empty `data`, and the id of what the feedback is about.
    assert theirs.pop("data") == {"ndarray": []}
    assert ours["meta"].pop("puid") == "f"
    assert ours == theirs
