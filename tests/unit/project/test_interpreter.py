"""A shell without the active environment: what is missing is said, and the commands it is told can be typed there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import click
import pytest

from project.errors import Exit
from project.interpreter import typed
from project.paths import ROOT

ELSEWHERE = "/usr/bin:/bin"
HERE = Path(sys.executable).parent
SHOWN = HERE.relative_to(ROOT) if HERE.is_relative_to(ROOT) else HERE


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python with no package at all."""
    venv.create(tmp_path / "bare", with_pip=False)
    return tmp_path / "bare"


def said(python: Path, *arguments: str, path: str = ELSEWHERE, script: str = "run.py") -> tuple[int, list[str]]:
    command = [str(python), script, *arguments]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": path}, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr.splitlines()


def test_a_python_without_any_package(bare: Path) -> None:
    assert said(bare / "bin/python", "status", "--dataset", "my data") == (
        Exit.USAGE,
        [
            f"error: {bare / 'bin/python'} has no package 'click'",
            "next:  .venv/bin/python run.py status --dataset 'my data'; 'make run' sets that Python up",
        ],
    )


@pytest.mark.parametrize("script", ["data/download.py", "data/import_dataset.py"])
def test_the_scripts_of_the_data_say_so_too(bare: Path, script: str) -> None:
    code, (_, following) = said(bare / "bin/python", "--dataset", "penguins", script=script)
    assert code == Exit.USAGE
    assert (
        following == "next:  .venv/bin/python run.py data download --dataset penguins; 'make run' sets that Python up"
    )


def test_a_python_that_has_one_package_of_many(bare: Path) -> None:
    (packages,) = bare.glob("lib/python*/site-packages")
    (packages / "click").symlink_to(Path(click.__file__).parent)
    code, (error, following) = said(bare / "bin/python", "status")
    assert code == Exit.USAGE
    assert error.startswith(f"error: {bare / 'bin/python'} has no package '")
    assert following == "next:  .venv/bin/python run.py status; 'make run' sets that Python up"


def test_the_next_command_can_be_typed_where_no_environment_is_active() -> None:
    for path, python in ((ELSEWHERE, f"{SHOWN}/python"), (f"{HERE}:{ELSEWHERE}", "python")):
        code, lines = said(Path(sys.executable), "status", "--dataset", "", path=path)
        assert (code, lines[-1]) == (Exit.USAGE, f"next:  {python} run.py status")


def test_what_is_and_what_is_not_a_command_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", ELSEWHERE)
    monkeypatch.chdir(tmp_path)
    lines = (
        "{}python run.py --stack local, or: {}zenml stack set local",
        "start it, or {}python run.py --port 8001",
        "MLflow      {}mlflow ui --backend-store-uri sqlite:///mlflow.db",
        "ZenML       {}zenml login --local",
        "/opt/python run.py, python -m serving, the zenml server, no mlflow model",
    )
    for line in lines:
        assert typed(line.replace("{}", "")) == line.replace("{}", f"{HERE}{os.sep}")
