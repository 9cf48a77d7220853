"""The server runs on its own lock, where nothing of the pipeline is installed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from project.paths import ROOT
from tests.serving_bundle import ROW, heart_bundle

ABSENT = ("zenml", "mlflow", "pandas", "pyarrow", "sklearn", "pydantic", "psutil")


def uv() -> str:
    """The installer of this environment."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        pytest.skip("needs uv, of requirements/dev.txt")
    return found


@pytest.mark.slow
def test_the_server_runs_on_its_own_lock(tmp_path: Path) -> None:
    installer, python = uv(), tmp_path / "venv" / "bin" / "python"
    subprocess.run([installer, "venv", "-q", "-p", sys.executable, str(tmp_path / "venv")], check=True)
    lock = str(ROOT / "requirements" / "serving.txt")
    subprocess.run([installer, "pip", "install", "-q", "--python", str(python), "-r", lock], check=True)
    probe = f"import importlib.util as u; print([n for n in {ABSENT!r} if u.find_spec(n)])"
    done = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

    digest = heart_bundle(tmp_path / "bundle")
    bundles = {"5": {"path": str(tmp_path / "bundle"), "digest": digest}}
    traffic = {"generation": 1, "plan": {"mode": "replace", "weights": {"5": 100}}, "bundles": bundles}
    endpoint = tmp_path / "endpoint"
    endpoint.mkdir()
    (endpoint / "traffic.json").write_text(json.dumps(traffic))
    # Only the package is there: an import of anything else of the project fails too.
    shutil.copytree(ROOT / "serving", tmp_path / "app" / "serving", ignore=shutil.ignore_patterns("__pycache__"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(python), "-m", "serving", "--open", "--directory", str(endpoint), "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, cwd=tmp_path / "app", env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            answer = predict(port)
        finally:
            server.terminate()
            _, log = server.communicate(timeout=30)
    expected = json.loads((tmp_path / "bundle" / "serving.json").read_bytes())["example"]["probabilities"][1]
    assert (answer["version"], answer["probability"]) == ("5", pytest.approx(expected, abs=1e-6))
    assert [json.loads(line)["level"] for line in log.splitlines()] == ["info"] * 3
    assert server.returncode == 0


def predict(port: int) -> dict[str, object]:
    """Ask until the server listens."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", json.dumps(ROW).encode(), {"Content-Type": "application/json"}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(200):
        try:
            with direct.open(request, timeout=10) as response:
                value: dict[str, object] = json.load(response)
                return value
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("the server did not listen")
