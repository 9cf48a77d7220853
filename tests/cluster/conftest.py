"""The platform in the cluster of the current context, as `make platform-up` leaves it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from k8s.platform.settings import SERVERS, Settings, settings
from project.paths import ROOT

if TYPE_CHECKING:
    from tests.cluster.endpoints import Trial

PATIENCE = 600
Done = subprocess.CompletedProcess[str]


def said_by(*command: str, environment: Mapping[str, str] | None = None, seconds: int = PATIENCE) -> Done:
    """What a command says, whether it succeeds or not."""
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl says; a command that fails fails the test with what it said."""
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr[-2000:]}"
    return done.stdout


def s3(platform: Settings, key: str, secret: str) -> Any:
    """A client of the platform's own store."""
    return boto3.client(
        "s3",
        endpoint_url=platform.urls["s3"],
        region_name=platform.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
    )


@pytest.fixture(scope="session")
def platform() -> Settings:
    """Where its servers are; without them there is nothing to test."""
    if said_by("kubectl", "get", "namespace", SERVERS).returncode != 0:
        pytest.skip(f"the cluster has no namespace {SERVERS}: make platform-up")
    return settings()


@pytest.fixture(scope="session")
def variables(platform: Settings) -> dict[str, str]:
    """What `make platform-env` prints, read as a shell would."""
    printed = said_by(sys.executable, "-m", "k8s.platform", "env")
    assert printed.returncode == 0, printed.stderr
    words = [shlex.split(line) for line in printed.stdout.splitlines()]
    assert all(line[0] == "export" and len(line) == 2 for line in words)
    return dict(line[1].split("=", 1) for line in words)


@pytest.fixture(scope="session")
def stack(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables under which `run.py` knows the stack, registered in the cluster's ZenML."""
    environment = {**variables, "ZENML_CONFIG_PATH": str(Path(tmp_path_factory.mktemp("zenml")))}
    done = said_by(sys.executable, "run.py", "stack", "apply", "minikube", environment=environment)
    assert done.returncode == 0, done.stderr
    return environment


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of the endpoint that the tests deploy."""
    from tests.cluster.endpoints import bundles_below

    return bundles_below(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module", params=["kubernetes", "seldon"])
def endpoint(request: pytest.FixtureRequest, platform: Settings, made: dict[str, Path]) -> Iterator[Trial]:
    """An endpoint under each backend, gone when the module's tests have run."""
    from tests.cluster.endpoints import BACKENDS, NAME, Trial, refuse_left, target_of

    trial = Trial(request.param, BACKENDS[request.param](target_of(platform), "tests"), made)
    trial.deployer.down(NAME)
    yield trial
    trial.deployer.down(NAME)
    refuse_left()


@pytest.fixture
def trial(endpoint: Trial) -> Trial:
    """The endpoint, of which v1 serves alone."""
    endpoint.replace("v1")
    return endpoint
