"""Rollouts on the real server: each mode ends as it says, a bad version is rolled back while requests are answered."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployers import Mode, TrafficPlan
from deployers.local import LocalDeployer
from deployers.local.traffic_file import TRAFFIC
from deployers.rollout import RolloutSettings, roll_out
from project.errors import Refused
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tests.served import free_port, served, until
from tests.serving_bundle import ROW, heart_bundle

NAME = "heart_disease"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of three models, and of one that finds disease in everybody."""
    folder = tmp_path_factory.mktemp("bundles")
    for version, strength in (("v1", 1.0), ("v2", 0.01), ("v3", 0.1)):
        heart_bundle(folder / version, strength=strength)
    heart_bundle(folder / "shifted", threshold=0.001)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def deployer(tmp_path: Path, made: dict[str, Path]) -> Iterator[LocalDeployer]:
    """An endpoint that serves v1."""
    deployer = LocalDeployer(tmp_path / "endpoints", port=free_port())
    deployer.deploy(made["v1"], "v1", TrafficPlan.replace("v1"))
    yield deployer
    deployer.down(NAME)


def settings(strategy: str, **guard: float) -> RolloutSettings:
    from deployers.rollout import DeploymentConfig

    shipped = read_yaml(CONFIGS / "deployment.yaml", DeploymentConfig).rollout.model_dump()
    changed = {
        "strategy": strategy,
        "seconds": 0.3,
        "shares": [20, 60],
        "guard": {**shipped["guard"], "shift": 1.0, **guard},
    }
    return RolloutSettings.model_validate({**shipped, **changed})


@contextmanager
def asked(deployer: LocalDeployer) -> Iterator[list[Any]]:
    """Requests without pause while the block runs; yields the versions that answered, and what went wrong."""
    found: list[Any] = []
    ended = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", deployer.port, timeout=10)
        while not ended.is_set():
            try:
                connection.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
                response = connection.getresponse()
                body = json.loads(response.read())
                found.append(body["version"] if response.status == http.HTTPStatus.OK else body)
            except (OSError, http.client.HTTPException) as error:
                found.append(repr(error))
                connection.close()
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def test_a_canary_ends_promoted(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    with asked(deployer) as found:
        endpoint = roll_out(deployer, made["v2"], "v2", settings("canary"))
    assert (endpoint.current.version, endpoint.beside, endpoint.plan) == ("v2", (), None)
    assert [version.version for version in endpoint.previous] == ["v1"]
    assert set(found) == {"v1", "v2"}
    assert found[0] == "v1"
    assert deployer.rollback(NAME).current.version == "v1"


def test_a_canary_that_breaks_its_guard_is_rolled_back_and_no_request_fails(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    guarded = settings("canary", slow_seconds=1e-9, requests=5).model_copy(update={"seconds": 30.0})
    with asked(deployer) as found, pytest.raises(Refused) as refusal:
        roll_out(deployer, made["v2"], "v2", guarded)
    assert refusal.value.cause == (
        "heart_disease v2 was rolled back: 5 of 5 requests took over 1e-06 ms, at most 5.0% may; v1 serves"
    )
    assert set(found) == {"v1", "v2"}
    assert found.count("v2") in (4, 5)  # the smoke prediction may be one of the five
    endpoint = deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.beside, endpoint.plan) == ("v1", (), None)
    assert [(version.version, version.withdrawn) for version in endpoint.previous] == [("v2", True)]


def test_a_canary_that_predicts_otherwise_than_the_champion_is_rolled_back(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    guarded = settings("canary", requests=20, shift=0.25).model_copy(update={"seconds": 30.0})
    with asked(deployer) as found, pytest.raises(Refused) as refusal:
        roll_out(deployer, made["shifted"], "v2", guarded)
    assert "% of the champion's, at most 25% apart they may be; v1 serves" in refusal.value.cause
    assert set(found) == {"v1", "v2"}
    assert deployer.status(NAME).endpoint.plan is None


def test_a_damaged_challenger_never_takes_traffic(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in made["v2"].iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / "model.onnx").write_bytes(b"no model")
    with pytest.raises(Refused, match=r"model\.onnx does not match its sha256"):
        roll_out(deployer, damaged, "v2", settings("canary"))
    assert deployer.status(NAME).endpoint.current.version == "v1"


def test_blue_green_stands_by_and_then_switches(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    with asked(deployer) as found:
        endpoint = roll_out(deployer, made["v2"], "v2", settings("blue-green"))
    assert endpoint.current.version == "v2"
    assert set(found) == {"v1", "v2"}
    assert found.index("v2") == found.count("v1")  # not one answer of the old version after the switch


@pytest.mark.parametrize(("strategy", "weights"), [("ab", {"v1": 80, "v2": 20}), ("shadow", {"v1": 100, "v2": 0})])
def test_an_ab_test_and_a_shadow_stay_until_they_are_ended(
    deployer: LocalDeployer, made: dict[str, Path], strategy: str, weights: dict[str, float]
) -> None:
    endpoint = roll_out(deployer, made["v2"], "v2", settings(strategy))
    assert endpoint.current.version == "v1"
    assert endpoint.plan is not None
    assert (endpoint.plan.mode, endpoint.plan.weights) == (Mode(strategy), weights)
    assert [version.version for version in deployer.status(NAME).endpoint.beside] == ["v2"]
    ended = deployer.rollback(NAME)
    assert (ended.current.version, ended.beside, ended.plan) == ("v1", (), None)


def test_another_share_of_an_ab_test_leaves_it_one(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    for share in (60, 20):
        endpoint = roll_out(deployer, made["v2"], "v2", settings("ab").model_copy(update={"shares": [share]}))
        assert endpoint.current.version == "v1"
        assert endpoint.plan is not None
        assert endpoint.plan.weights == {"v1": 100 - share, "v2": share}


def test_a_variant_that_breaks_its_guard_while_it_is_watched_does_not_stay(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    guarded = settings("ab", slow_seconds=1e-9, requests=5).model_copy(update={"seconds": 30.0})
    with asked(deployer), pytest.raises(Refused, match="v2 was rolled back: 5 of 5 requests took over"):
        roll_out(deployer, made["v2"], "v2", guarded)
    endpoint = deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.beside, endpoint.plan) == ("v1", (), None)


def test_a_killed_canary_goes_on_where_it_was(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    plans = list(settings("canary").plans("v1", "v2"))
    deployer.deploy(made["v2"], "v2", plans[1])
    seen: list[dict[str, float]] = []

    class Watched(LocalDeployer):
        def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Any:
            seen.append(dict(plan.weights))
            return super().deploy(bundle, version, plan)

    again = Watched(deployer.directory, deployer.port)
    assert roll_out(again, made["v2"], "v2", settings("canary")).current.version == "v2"
    assert seen == [{"v1": 40, "v2": 60}, {"v2": 100}]


def test_an_interrupted_canary_is_rolled_back(
    deployer: LocalDeployer, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deployers.rollout._watch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        roll_out(deployer, made["v2"], "v2", settings("canary"))
    endpoint = deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.plan) == ("v1", None)


def test_two_workers_withdraw_together(deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path) -> None:
    """What one worker finds holds for both."""
    (plan, *_) = settings("canary", slow_seconds=1e-9, requests=5).plans("v1", "v2")
    deployer.deploy(made["v2"], "v2", plan)
    traffic = (deployer.directory / NAME / TRAFFIC).read_bytes()
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / TRAFFIC).write_bytes(traffic)
    with served(tmp_path / "pair", bundles={}, workers=2) as server, asked(replace(deployer, port=server.port)):
        until(lambda: all(answer["withdrawn"].keys() == {"v2"} for answer in server.acknowledged()))
    assert server.process.returncode == 0
