"""`endpoint`, `status`, `rollback`, `down` over a real endpoint."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from cli import endpoint as commands
from cli.main import cli
from deployers import TrafficPlan
from deployers.local import LocalDeployer, process
from project.errors import ConfigError, Refused
from project.paths import ROOT
from tests.serving_bundle import ROW, heart_bundle


@pytest.fixture
def deployer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDeployer]:
    """Version 2 serves, version 1 can be gone back to; the commands look here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    deployer = LocalDeployer(tmp_path / "endpoints", port=port)
    monkeypatch.setattr(commands, "deployer", lambda _: LocalDeployer(tmp_path / "endpoints"))
    for version, strength in (("1", 1.0), ("2", 0.01)):
        heart_bundle(tmp_path / version, strength=strength)
        deployer.deploy(tmp_path / version, version, TrafficPlan.replace(version))
    yield deployer
    deployer.down("heart_disease")


def run(command: click.Command, *arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(command, arguments, catch_exceptions=False)


def as_json(command: click.Command, *arguments: str) -> Any:
    return json.loads(run(command, *arguments, "--json").stdout)


def test_endpoint_prints_a_request_that_works(deployer: LocalDeployer) -> None:
    found = as_json(commands.endpoint)
    assert (found["url"], found["version"]) == (f"http://127.0.0.1:{deployer.port}", "2")
    words = shlex.split(found["curl"])
    assert json.loads(words[-1]) == ROW
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["version"] == "2"
    assert run(commands.endpoint).stdout.splitlines()[0] == found["url"]


def test_status_of_all_and_of_one(deployer: LocalDeployer) -> None:
    for found in (as_json(commands.status), as_json(commands.status, "--dataset", "heart_disease")):
        (each,) = found["endpoints"]
        assert (each["ready"], each["version"], each["serving"], each["detail"]) == (True, "2", "2", "")
        assert each["workers"] == list(deployer.status("heart_disease").workers)
        assert [(v["version"], v["withdrawn"]) for v in each["previous"]] == [("1", False)]
    lines = run(commands.status).stdout.splitlines()
    assert lines[0] == "heart_disease: ready"
    assert lines[-1] == "  previous  1"


def test_status_of_an_endpoint_that_should_answer_and_does_not(deployer: LocalDeployer) -> None:
    server = process.running(deployer.directory / "heart_disease")
    assert server is not None
    os.kill(server.pid, signal.SIGKILL)
    process.end_orphans(deployer.directory / "heart_disease")
    result = run(commands.status)
    assert result.exit_code == 4
    assert result.stdout.splitlines()[0].startswith("heart_disease: NOT READY: its server, process")


def test_rollback_and_down(deployer: LocalDeployer) -> None:
    assert run(commands.rollback).stdout == (
        f"heart_disease serves version 1 again at http://127.0.0.1:{deployer.port}\n"
    )
    with pytest.raises(Refused, match="no earlier version; kept: 2"):
        run(commands.rollback)
    assert as_json(commands.rollback, "--to", "2")["version"] == "2"
    assert as_json(commands.down, "--dataset", "penguins") == {"stopped": []}
    assert run(cli, "--dataset", "penguins", "down").stdout == "nothing was running\n"
    with pytest.raises(ConfigError, match=r"there is no endpoint 'hart_disease'; did you mean 'heart_disease'\?"):
        run(commands.down, "--dataset", "hart_disease")
    assert as_json(commands.down, "--all") == {"stopped": ["heart_disease"]}
    assert (
        run(commands.status).stdout
        == "nothing is deployed here; python run.py --stack local, or status --stack NAME asks another\n"
    )
    assert as_json(commands.status) == {"endpoints": []}


def test_the_commands_import_nothing_heavy() -> None:
    heavy = "{'zenml', 'mlflow', 'pandas', 'sklearn', 'onnxruntime', 'numpy', 'pydantic'}"
    code = f"import sys, cli.endpoint; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
