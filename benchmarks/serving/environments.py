"""An environment of its own for each peer: they share no versions of NumPy, Flask or protobuf."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.serving.model import write_training_rows
from project.paths import ROOT

BUILD = ROOT / "build" / "serving-benchmark"
PEERS = Path(__file__).parent / "peers"
OURS = "ours"
"""The environment that this runs in."""
PROFILER = "profiler"
REQUIREMENTS = {
    "mlflow": ["mlflow==3.17.*", "scikit-learn==1.9.*"],
    "bentoml": ["bentoml==1.4.*", "scikit-learn==1.9.*"],
    "mlserver": ["mlserver==1.7.*", "mlserver-sklearn==1.7.*", "onnxruntime"],
    "seldon": ["seldon-core==1.18.2", "setuptools<81", "scikit-learn", "onnxruntime"],  # it imports pkg_resources
    PROFILER: ["py-spy==0.4.*"],
    "fastapi": ["fastapi", "uvicorn", "httptools", "uvloop", "onnxruntime==1.32.*"],
}
VEGETA = "github.com/tsenart/vegeta/v12@v12.12.0"


def make(name: str) -> Path:
    """The folder in which a peer's servers run, its packages installed and its model fitted by them."""
    folder = BUILD / name
    if name == OURS:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PEERS, folder, dirs_exist_ok=True)
        return folder
    wanted, made = "\n".join(REQUIREMENTS[name]), folder / "requirements.txt"
    if not made.exists() or made.read_text() != wanted:
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", folder, *REQUIREMENTS[name]], check=True)
        made.write_text(wanted)
    shutil.copytree(PEERS, folder, dirs_exist_ok=True)
    if name not in ("fastapi", PROFILER):
        rows = folder / "rows.npz"
        write_training_rows(rows)
        shutil.rmtree(folder / "mlflow_model", ignore_errors=True)
        mlflow = ["--mlflow"] if name == "mlflow" else []
        subprocess.run([folder / "bin" / "python", "fit.py", rows, *mlflow], cwd=folder, check=True)
    return folder


def programs(name: str) -> Path:
    """Where an environment's programs are."""
    return Path(sys.executable).parent if name == OURS else BUILD / name / "bin"


def versions(name: str, packages: Sequence[str]) -> list[str]:
    """`NAME VERSION` of packages of an environment."""
    script = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep='\\n')"
    command = [str(programs(name) / "python"), "-c", script, *packages]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def vegeta() -> Path:
    """The open-loop load generator, built if need be.

    Raises:
        SystemExit: There is neither it nor Go.
    """
    found = shutil.which("vegeta")
    if found:
        return Path(found)
    built = BUILD / "vegeta" / "vegeta"
    if not built.exists():
        go = shutil.which("go")
        if not go:
            raise SystemExit("the latencies need vegeta on the PATH, or Go to build it; --quick leaves them out")
        subprocess.run([go, "install", VEGETA], env={**os.environ, "GOBIN": str(built.parent)}, check=True)
    return built
