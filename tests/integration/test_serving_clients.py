"""Real clients of the protocols against a real server process, each from a venv of its own where it needs one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from project.paths import ROOT

BUNDLE = ROOT / "models" / "heart_disease"
CLIENTS = {
    "triton": ["tritonclient[grpc,http]==2.*"],
    "seldon": ["seldon-core==1.18.2", "setuptools<81"],
}


@dataclass(frozen=True)
class Served:
    """A server of the reference bundle."""

    port: int
    grpc_port: int
    key: str
    process: subprocess.Popen[bytes]

    def post(self, path: str, body: object) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        request.add_header("x-api-key", self.key)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("endpoint")
    digest = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
    plan = {"mode": "replace", "weights": {"1": 1}}
    bundles = {"1": {"path": str(BUNDLE), "digest": digest}}
    (folder / "traffic.json").write_text(json.dumps({"generation": 1, "plan": plan, "bundles": bundles}))
    port, grpc_port = free_port(), free_port()
    command = [sys.executable, "-m", "serving", "--directory", str(folder), "--port", str(port)]
    command += ["--grpc-port", str(grpc_port)]
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdout is not None
        key = process.stdout.readline().decode().split("X-API-Key: ")[1].strip()
        try:
            until = time.monotonic() + 20
            while not ready(port):
                assert time.monotonic() < until, (folder / "server.log").read_text()
                time.sleep(0.05)
            yield Served(port, grpc_port, key, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    assert key not in (folder / "server.log").read_text()
    assert not [path for path in folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((BUNDLE / "serving.json").read_bytes())["example"]["row"]
    order = [feature["name"] for feature in json.loads((BUNDLE / "contract.json").read_bytes())["features"]]
    return {name: found[name] for name in order}


@pytest.fixture(scope="session")
def probability() -> float:
    return float(json.loads((BUNDLE / "serving.json").read_bytes())["example"]["probabilities"][1])


def run_in(client: str, script: str, *arguments: str, cache: Path) -> Any:
    """What a script prints as JSON, run with a client's own packages."""
    venv = cache / client
    python = venv / "bin" / "python"
    uv = str(Path(sys.executable).with_name("uv"))
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(venv), *CLIENTS[client]]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{CLIENTS[client][0]} can not be installed here: {done.stderr[-200:]}")
    command = [str(python), "-c", textwrap.dedent(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clients")


TRITON = """
    import json, sys
    import numpy as np
    kind, port, key, row = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    if kind == "http":
        import tritonclient.http as t
    else:
        import tritonclient.grpc as t
    client, headers = t.InferenceServerClient(f"127.0.0.1:{port}"), {"x-api-key": key}
    said = {"live": client.is_server_live(), "ready": client.is_server_ready(),
            "model": client.is_model_ready("heart_disease"), "other": None}
    try:
        said["other"] = client.is_model_ready("other")
    except Exception as error:
        said["other"] = False
    metadata = client.get_model_metadata("heart_disease", **({} if kind == "http" else {"as_json": True}))
    said["inputs"] = [each["name"] for each in metadata["inputs"]]
    def inputs(values):
        found = []
        for each in metadata["inputs"]:
            kind = {"FP64": np.float64, "INT64": np.int64}[each["datatype"]]
            column = np.array([values[each["name"]]] * 2, dtype=kind)
            tensor = t.InferInput(each["name"], [2], each["datatype"])
            tensor.set_data_from_numpy(column)
            found.append(tensor)
        return found
    result = client.infer("heart_disease", inputs(row), model_version="1", request_id="r1", headers=headers)
    said["probability"] = result.as_numpy("probabilities")[:, 1].tolist()
    said["label"] = [each.decode() for each in result.as_numpy("label").tolist()]
    def refused(values, headers):
        try:
            client.infer("heart_disease", inputs(values), headers=headers)
        except t.InferenceServerException as error:
            return [error.status() or "", error.message()]
    said["invalid"] = refused({**row, "age": 200}, headers)
    said["unknown"] = refused(row, {})
    print(json.dumps(said))
"""


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_the_triton_client(served: Served, row: dict[str, Any], probability: float, cache: Path, kind: str) -> None:
    port = served.port if kind == "http" else served.grpc_port
    said = run_in("triton", TRITON, kind, str(port), served.key, json.dumps(row), cache=cache)
    assert (said["live"], said["ready"], said["model"], said["other"]) == (True, True, True, False)
    assert said["inputs"] == list(row)
    assert said["probability"] == pytest.approx([probability] * 2, abs=1e-6)
    assert said["label"] == [served.post("/predict", row)["label"]] * 2
    assert said["invalid"][1] == "row 1: age is 200; allowed: a number from 0 to 120 (and 1 more)"
    assert "API key" in said["unknown"][1]
    if kind == "grpc":
        assert [said["invalid"][0], said["unknown"][0]] == ["StatusCode.INVALID_ARGUMENT", "StatusCode.UNAUTHENTICATED"]


def test_the_seldon_client(served: Served, row: dict[str, Any], probability: float, cache: Path) -> None:
    said = run_in("seldon", """
        import json, sys
        import numpy as np
        from seldon_core.seldon_client import SeldonClient
        port, key, row = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
        client = SeldonClient(gateway="istio", transport="rest", gateway_endpoint=f"127.0.0.1:{port}",
                              deployment_name="heart", namespace="models")
        said = {}
        for kind in ("ndarray", "tensor"):
            answer = client.predict(data=np.array([list(row.values())], dtype=float), names=list(row),
                                    payload_type=kind, headers={"X-API-Key": key})
            assert answer.success, answer.msg
            said[kind] = answer.response["data"]
        print(json.dumps(said))
    """, str(served.port), served.key, json.dumps(row), cache=cache)  # fmt: skip
    assert said["ndarray"]["ndarray"][0][1] == pytest.approx(probability, abs=1e-6)
    assert said["tensor"]["tensor"]["shape"] == [1, 2]
    assert said["tensor"]["tensor"]["values"][1] == pytest.approx(probability, abs=1e-6)


def test_mlflow_reads_the_answer(served: Served, row: dict[str, Any], probability: float) -> None:
    import pandas as pd
    from mlflow.deployments import PredictionsResponse
    from mlflow.pyfunc.scoring_server.client import dump_input_data  # type: ignore[attr-defined]

    frame = pd.DataFrame([row, row])
    body = json.loads(dump_input_data(frame))
    answer = PredictionsResponse(served.post("/invocations", body)).get_predictions()  # type: ignore[no-untyped-call]
    assert list(answer["probability"]) == pytest.approx([probability] * 2, abs=1e-6)


def test_without_the_key(served: Served, row: dict[str, Any]) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{served.port}/predict", json.dumps(row).encode())
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    assert refused.value.code == 401
    refused.value.close()
