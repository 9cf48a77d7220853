"""Packages that can not share this project's environment, each set in a venv of its own.

The venvs lie in pytest's cache, so that they are made once per machine and clone, also by several test processes at
once.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

PACKAGES = {
    "triton": ("tritonclient[grpc,http]==2.*",),
    "seldon": ("seldon-core==1.18.2", "setuptools<81", "onnxruntime==1.19.*"),  # the last that takes NumPy 1
    "protoc": ("grpcio-tools==1.*",),
    "shap": ("shap==0.51.*", "onnxruntime==1.32.*"),
}
SECONDS = 300
MADE = "made"
"""A file that says that a venv is whole."""


class Venvs:
    """Makes venvs when they are first asked for.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lacking: dict[str, str] = {}

    def python(self, name: str) -> Path:
        """The interpreter of a set; the test is skipped where the packages can not be had."""
        if name in self._lacking:  # without a network each try takes its time
            pytest.skip(self._lacking[name])
        packages = PACKAGES[name]
        key = hashlib.sha256(json.dumps([sys.version, *packages]).encode()).hexdigest()[:12]
        venv = self.folder / f"{name}-{key}"
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (venv / MADE).exists() and (lacking := _make(venv, packages)):
                self._lacking[name] = lacking
                pytest.skip(lacking)
        return venv / "bin" / "python"

    def run(self, name: str, script: str, *arguments: str) -> Any:
        """What a script prints as JSON on its last line, run with a set's packages."""
        command = [str(self.python(name)), "-c", textwrap.dedent(script), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


def _make(venv: Path, packages: tuple[str, ...]) -> str:
    """Why it can not be made; nothing once it is."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        return "needs uv, of requirements/dev.txt"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(venv), *packages]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        return f"{packages[0]} can not be installed here: {done.stderr[-200:]}"
    (venv / MADE).touch()
    return ""
