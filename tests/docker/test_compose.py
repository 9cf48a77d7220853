"""`docker compose up`: the model without a key and MLflow, on this machine's own address alone."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from project.paths import ROOT
from serving.keys import new_entry, write_keys
from tests.docker.engine import ANSWER, BUILD, BUNDLE, inspected
from tests.served import free_port

pytestmark = pytest.mark.docker

EXAMPLE = json.loads((BUNDLE / "serving.json").read_bytes())["example"]


@dataclass(frozen=True, slots=True)
class Project:
    """What docker-compose.yml starts."""

    environment: Mapping[str, str]

    def compose(self, *arguments: str, seconds: int = ANSWER) -> str:
        """What a command says; a command that fails fails the test with what it said."""
        command = ["docker", "compose", "--project-name", "heart-model-tests", "--profile", "keys", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def post(self, service: str, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        address = f"http://localhost:{self.environment[service]}{path}"
        given = {"content-type": "application/json", **headers}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), given)) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read()


@pytest.fixture(scope="module")
def key() -> tuple[str, dict[str, Any]]:
    return new_entry("tests", ["predict"], None)


@pytest.fixture(scope="module")
def project(base: str, key: tuple[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip(f"needs docker compose: {found.stderr.strip().splitlines()[-1]}")
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(keys, [key[1]])
    ports = {name: str(free_port()) for name in ("APP_PORT", "GUARDED_PORT", "MLFLOW_PORT")}
    project = Project({**ports, "SERVING_KEYS": str(keys), "SERVING_UID": str(os.getuid())})
    try:
        project.compose("up", "--build", "--detach", "--wait", seconds=BUILD)
        yield project
    finally:
        project.compose("down", "--volumes")


def test_all_are_healthy_and_on_the_loopback_address(project: Project) -> None:
    services = [json.loads(line) for line in project.compose("ps", "--format", "json").splitlines()]
    assert {each["Service"]: each["Health"] for each in services} == dict.fromkeys(
        ("app", "guarded", "mlflow"), "healthy"
    )
    assert {port["URL"] for each in services for port in each["Publishers"]} == {"127.0.0.1"}


def test_the_model_answers_without_a_key(project: Project) -> None:
    status, answer = project.post("APP_PORT", "/predict", EXAMPLE["row"])
    assert (status, answer["model"]) == (200, "heart_disease")
    assert answer["probability"] == pytest.approx(EXAMPLE["probabilities"][1], abs=1e-6)


def test_the_guarded_one_wants_a_key_of_the_file(project: Project, key: tuple[str, dict[str, Any]]) -> None:
    assert project.post("GUARDED_PORT", "/predict", EXAMPLE["row"])[0] == 401
    assert project.post("GUARDED_PORT", "/predict", EXAMPLE["row"], **{"x-api-key": key[0]})[0] == 200


def test_mlflow_keeps_runs_and_refuses_pages_of_other_hosts(project: Project) -> None:
    status, made = project.post("MLFLOW_PORT", "/api/2.0/mlflow/experiments/create", {"name": "tests"})
    assert status == 200
    assert project.post("MLFLOW_PORT", "/api/2.0/mlflow/runs/create", made)[0] == 200
    status, answer = project.post("MLFLOW_PORT", "/api/2.0/mlflow/experiments/search", {}, host="other.example")
    assert (status, b"Invalid Host header" in answer) == (403, True)


@pytest.mark.parametrize("service", ["app", "guarded", "mlflow"])
def test_each_is_contained(project: Project, service: str) -> None:
    host = inspected(project.compose("ps", "--quiet", service).strip())["HostConfig"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0
