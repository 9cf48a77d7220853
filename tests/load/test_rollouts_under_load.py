"""Rollouts by the local deployer on two workers, while requests come that nobody sends twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployers import Mode, TrafficPlan
from deployers.local import LocalDeployer, process
from deployers.rollout import RolloutSettings, roll_out
from project.errors import Refused
from project.paths import ROOT
from tests.broken_bundles import failing
from tests.load.load import load
from tests.served import free_port, until
from tests.serving_bundle import heart_bundle

NAME = "heart_disease"
GUARD = {"errors": 0.5, "slow_seconds": 60.0, "slow": 1.0, "requests": 5, "shift": 1.0}
BROKEN = "[45] of 5 requests failed, at most 50.0% may"
"""How the guard is broken; the deployer's smoke prediction may be the one that did not fail."""
CLIENT = """
import json, sys
from pathlib import Path
from deployers.local import LocalDeployer
from deployers.rollout import RolloutSettings, roll_out

folder, port, bundle, settings = sys.argv[1:]
deployer = LocalDeployer(Path(folder), int(port), workers=2)
roll_out(deployer, Path(bundle), "v2", RolloutSettings.model_validate(json.loads(settings)))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles: two models, and one that fails at rows it was not proved with."""
    folder = tmp_path_factory.mktemp("bundles")
    for version, strength in (("v1", 1.0), ("v2", 0.01)):
        heart_bundle(folder / version, strength=strength)
    failing(shutil.copytree(folder / "v2", folder / "failing"))
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def deployer(tmp_path: Path, made: dict[str, Path]) -> Iterator[LocalDeployer]:
    """An endpoint with two workers that serves v1."""
    deployer = LocalDeployer(tmp_path / "endpoints", port=free_port(), workers=2)
    deployer.deploy(made["v1"], "v1", TrafficPlan.replace("v1"))
    yield deployer
    deployer.down(NAME)


def settings(
    strategy: str, seconds: float = 0.3, shares: tuple[float, ...] = (20, 60), **guard: float
) -> RolloutSettings:
    changed: dict[str, Any] = {"strategy": strategy, "seconds": seconds, "shares": list(shares)}
    return RolloutSettings.model_validate({**changed, "guard": {**GUARD, **guard}})


@pytest.mark.parametrize("strategy", ["replace", "blue-green", "canary", "ab", "shadow"])
def test_no_rollout_and_no_way_back_fails_a_request(
    deployer: LocalDeployer, made: dict[str, Path], strategy: str
) -> None:
    assert len(deployer.status(NAME).workers) == 2
    with load(deployer.port) as found:
        reached = roll_out(deployer, made["v2"], "v2", settings(strategy))
        found.more(40)
        back = deployer.rollback(NAME)
        before = found.versions.copy()
        found.more(40)
    assert found.failures == found.refused == []
    promoted = strategy in ("replace", "blue-green", "canary")
    assert reached.current.version == ("v2" if promoted else "v1")
    assert set(found.versions) == ({"v1"} if strategy == "shadow" else {"v1", "v2"})
    assert (back.current.version, back.plan) == ("v1", None)
    assert set(found.versions - before) == {"v1"}


def test_a_challenger_that_fails_is_rolled_back_and_the_champion_answers_for_it(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    older = {"age": 77}
    with load(deployer.port, older) as found, pytest.raises(Refused) as refusal:
        roll_out(deployer, made["failing"], "v2", settings("canary", seconds=60, shares=(50,)))
    assert re.search(rf"v2 was rolled back: {BROKEN}; v1 serves", refusal.value.cause)
    assert found.failures == found.refused == []
    assert set(found.versions) == {"v1"}
    endpoint = deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.plan) == ("v1", None)


def test_a_shadow_that_fails_changes_no_answer(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    with load(deployer.port, {"age": 77}) as found:
        roll_out(deployer, made["failing"], "v2", settings("shadow"))
        found.more(60)
    assert found.failures == found.refused == []
    assert set(found.versions) == {"v1"}
    log = (deployer.directory / NAME / process.LOG).read_text()
    assert 0 < log.count("the shadow v2 failed") <= 2 * 20  # workers, and lines of one kind


def test_a_canary_whose_client_was_killed_is_guarded_and_goes_on_where_it_was(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    forever = settings("canary", seconds=3600).model_dump_json()
    arguments = [str(deployer.directory), str(deployer.port), str(made["v2"]), forever]
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], cwd=ROOT)
    try:
        until(lambda: deployer.status(NAME).endpoint.beside)
    finally:
        os.kill(client.pid, signal.SIGKILL)
        client.wait()
    with load(deployer.port) as found:
        left = deployer.status(NAME).endpoint
        assert left.plan is not None
        assert (left.current.version, left.plan.weights) == ("v1", {"v1": 80, "v2": 20})
        assert deployer.status(NAME).ready
        assert roll_out(deployer, made["v2"], "v2", settings("canary")).current.version == "v2"
    assert found.failures == found.refused == []
    assert deployer.status(NAME).endpoint.plan is None


def test_a_plan_and_what_was_withdrawn_outlive_the_server(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    (plan,) = settings("ab", shares=(50,)).plans("v1", "v2")
    assert plan.mode is Mode.AB
    deployer.deploy(made["failing"], "v2", plan)
    with load(deployer.port, {"age": 77}):
        until(lambda: deployer.status(NAME).breaches.keys() == {"v2"})
    server = process.running(deployer.directory / NAME)
    assert server is not None
    psutil.Process(server.pid).kill()
    until(lambda: process.running(deployer.directory / NAME) is None)
    process.end_orphans(deployer.directory / NAME)
    process.start(deployer.directory / NAME, deployer.host, deployer.port, workers=2)
    until(lambda: len(deployer.status(NAME).workers) == 2)
    status = deployer.status(NAME)
    assert status.endpoint.plan == plan
    assert re.fullmatch(BROKEN, status.breaches["v2"])
    with load(deployer.port, {"age": 77}) as found:
        found.more(40)
    assert (found.failures, set(found.versions)) == ([], {"v1"})


def test_an_endpoint_starts_again_with_as_many_workers(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deployer.deploy(made["v2"], "v2", TrafficPlan.replace("v2"))
    process.stop(deployer.directory / NAME)
    LocalDeployer(deployer.directory).rollback(NAME)
    assert len(deployer.status(NAME).workers) == 2
