"""The servers that are compared, and how each is started."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving.environments import BUILD, OURS
from benchmarks.serving.model import BUNDLE
from project.paths import ROOT

UVICORN = ("--port", "{port}", "--log-level", "warning", "--no-access-log")


@dataclass(frozen=True, slots=True)
class Server:
    """A program that answers with the model.

    Args:
        name: What `--peers` chooses.
        environment: Whose packages it runs with.
        command: `{bin}` are that environment's programs, `{port}`, `{second}` and `{third}` free ports, `{folder}` is
            the server's own folder.
        variables: Environment variables on top of ours.
        prepare: Writes what it needs into its folder; takes that and the ports.
    """

    name: str
    environment: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path, Sequence[int]], object] | None = None


def ours(name: str = OURS, workers: int = 1) -> Server:
    """Our server with everything on: keys, limits that are counted and never exceeded, request log, samples."""
    command = ["{bin}/python", "-m", "serving", "--directory", "{folder}", "--port", "{port}", "--keys"]
    command += ["{folder}/keys.json", "--rate", "1000000", "--sample-rate", "0.01", "--workers", str(workers)]
    return Server(name, OURS, command, {"PYTHONPATH": str(ROOT)}, _endpoint)


def _endpoint(folder: Path, ports: Sequence[int]) -> None:
    """An endpoint's folder with the reference bundle and a key."""
    digest = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
    traffic = {
        "generation": 1,
        "plan": {"mode": "replace", "weights": {"v1": 1.0}},
        "bundles": {"v1": {"path": str(BUNDLE), "digest": digest}},
    }
    (folder / "traffic.json").write_text(json.dumps(traffic))
    (folder / "keys.json").unlink(missing_ok=True)
    add = [sys.executable, "-m", "serving.keys", "add", "--file", str(folder / "keys.json"), "--name", "benchmark"]
    (folder / "key").write_bytes(subprocess.run(add, cwd=ROOT, check=True, capture_output=True).stdout.strip())


def _mlserver(implementation: str, **parameters: str) -> Callable[[Path, Sequence[int]], None]:
    def prepare(folder: Path, ports: Sequence[int]) -> None:
        numbers = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
        settings = {"debug": False, "parallel_workers": 0, "host": "127.0.0.1", **numbers}
        (folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "heart", "implementation": implementation, "parameters": parameters}
        (folder / "model-settings.json").write_text(json.dumps(model))

    return prepare


def _seldon(kind: str) -> Server:
    command = ["{bin}/seldon-core-microservice", f"seldon_model.{kind}", "--service-type", "MODEL"]
    command += ["--http-port", "{port}", "--grpc-port", "{second}", "--metrics-port", "{third}"]
    return Server(f"seldon-{kind.lower()}", "seldon", command)


SERVERS = (
    ours(),
    Server("hello", OURS, ["{bin}/uvicorn", "hello:app", *UVICORN]),
    Server("sketch", OURS, ["{bin}/uvicorn", "sketch:app", *UVICORN]),
    Server("fastapi-onnx", "fastapi", ["{bin}/uvicorn", "fastapi_onnx:app", *UVICORN]),
    Server(
        "mlserver-onnx",
        "mlserver",
        ["{bin}/mlserver", "start", "{folder}"],
        prepare=_mlserver("mlserver_onnx.OnnxModel"),
    ),
    _seldon("Onnx"),
    Server(
        "mlserver-sklearn",
        "mlserver",
        ["{bin}/mlserver", "start", "{folder}"],
        prepare=_mlserver("mlserver_sklearn.SKLearnModel", uri=str(BUILD / "mlserver" / "model.joblib")),
    ),
    _seldon("Sklearn"),
    Server(
        "bentoml",
        "bentoml",
        ["{bin}/bentoml", "serve", "bento:Heart", "--host", "127.0.0.1", "--port", "{port}"],
        {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": "{folder}"},
    ),
    Server(
        "mlflow",
        "mlflow",
        ["{bin}/mlflow", "models", "serve", "-m", "mlflow_model", "-p", "{port}", "--env-manager", "local", "-w", "1"],
        {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": "{bin}:/usr/bin:/bin"},
    ),
)
