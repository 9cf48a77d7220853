"""Rollouts beside other deployments, and an endpoint that is slow to answer; tests/integration has whole ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deployers.interface import Endpoint, Status, Version
from deployers.rollout import RolloutSettings, roll_out
from deployers.traffic import TrafficPlan
from project.errors import Refused, Unreachable
from tests.serving_bundle import heart_bundle

NAME = "heart_disease"
GUARD = {"errors": 0.5, "slow_seconds": 60.0, "slow": 1.0, "requests": 5, "shift": 1.0}
CANARY = RolloutSettings.model_validate({"strategy": "canary", "seconds": 0.0, "shares": [10], "guard": GUARD})


@dataclass
class Busy:
    """A deployer of an endpoint where v1 serves, and that refuses every deployment."""

    beside: tuple[Version, ...] = ()
    undone: list[str] = field(default_factory=list)

    def endpoints(self) -> list[str]:
        return [NAME]

    def status(self, name: str) -> Status:
        return Status(Endpoint(name, "http://h", Version("v1", "a", ""), (), "local", beside=self.beside), True, "")

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        raise Refused("another process is at it", "python run.py status")

    def rollback(self, name: str) -> None:
        self.undone.append(name)


@pytest.mark.parametrize(
    ("beside", "undone"),
    [
        pytest.param((), [], id="nothing is tried"),
        pytest.param((Version("v2", "b", ""),), [NAME], id="what this rollout brought"),
        pytest.param((Version("v9", "c", ""),), [], id="what another brought"),
    ],
)
def test_a_rollout_that_fails_takes_back_its_own_version_alone(
    tmp_path: Path, beside: tuple[Version, ...], undone: list[str]
) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Busy(beside)
    with pytest.raises(Refused, match="another process is at it"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert deployer.undone == undone


@dataclass
class Watched:
    """A deployer whose endpoint is seen as `seen` says, look after look; the last stays."""

    seen: list[tuple[str, bool]]
    """What stands beside v1, and whether it answers."""
    plans: list[TrafficPlan] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    requests: dict[str, int] = field(default_factory=dict)
    breaches: dict[str, str] = field(default_factory=dict)
    unjudged: str = ""

    def endpoints(self) -> list[str]:
        return [NAME]

    def status(self, name: str) -> Status:
        beside, ready = ("", True) if not self.plans else self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        tried = (Version(beside, "b", ""),) if beside else ()
        endpoint = Endpoint(name, "http://h", Version("v1", "a", ""), (), "local", beside=tried)
        detail = "" if ready else "no answer"
        counts: dict[str, Any] = {"requests": self.requests, "breaches": self.breaches, "unjudged": self.unjudged}
        return Status(endpoint, ready, detail, **counts)

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        self.plans.append(plan)
        return Endpoint(NAME, "http://h", Version("v1", "a", ""), (), "local")

    def rollback(self, name: str) -> None:
        self.undone.append(name)


def test_a_rollout_ends_where_another_took_its_traffic(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v9", True)])
    with pytest.raises(Refused, match="another deployment of heart_disease took the traffic of v2"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert [plan.mode.value for plan in deployer.plans] == ["canary"]
    assert deployer.undone == []


def test_one_late_answer_ends_no_rollout(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v2", False), ("v2", True)])
    roll_out(deployer, tmp_path, "v2", CANARY)
    assert [plan.mode.value for plan in deployer.plans] == ["canary", "replace"]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        pytest.param({"v2": 4}, ["v2 was not judged, 4 of the 5 requests came that its guard wants"], id="too few"),
        pytest.param({"v2": 5}, [], id="enough"),
        pytest.param({}, [], id="not counted"),
    ],
)
def test_a_step_with_too_few_requests_is_said_to_be_unjudged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, requests: dict[str, int], said: list[str]
) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v2", True)], requests=requests)
    with caplog.at_level("INFO", "deployers.rollout"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert caplog.messages == ["heart_disease canary: v1 90 %, v2 10 %", *(f"heart_disease canary: {s}" for s in said)]


def test_one_that_only_stands_by_is_asked_nothing_and_not_said_to_be_unjudged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v2", True)], requests={"v2": 0})
    with caplog.at_level("INFO", "deployers.rollout"):
        roll_out(deployer, tmp_path, "v2", CANARY.model_copy(update={"strategy": "blue-green"}))
    assert caplog.messages == ["heart_disease blue-green: v1 100 %, v2 0 %"]


def test_an_endpoint_that_stays_silent_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployers.rollout.SILENT", 0.3)
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v2", False)])
    with pytest.raises(Unreachable, match="heart_disease does not answer any more: no answer"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert (len(deployer.plans), deployer.undone) == (1, [NAME])


def test_one_whose_pods_do_not_tell_what_they_counted_is_not_promoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployers.rollout.SILENT", 0.3)
    heart_bundle(tmp_path)
    deployer: Any = Watched([("v2", True)], unjudged="no route to pod v2")
    with pytest.raises(Unreachable, match="heart_disease v2 can not be judged: no route to pod v2"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert (len(deployer.plans), deployer.undone) == (1, [NAME])


class Stuck(Watched):
    """It can not go back."""

    def rollback(self, name: str) -> None:
        raise Unreachable("the gateway does not follow", "kubectl get gateway")


def test_what_is_not_taken_back_is_not_said_to_be(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    broken = {"v2": "5 of 5 requests failed"}
    deployer: Any = Watched([("v2", True)], breaches=broken)
    with pytest.raises(Refused, match="heart_disease v2 was rolled back: 5 of 5 requests failed; v1 serves"):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert deployer.undone == [NAME]
    deployer = Stuck([("v2", True)], breaches=broken)
    with pytest.raises(Unreachable) as said:
        roll_out(deployer, tmp_path, "v2", CANARY)
    reason = "5 of 5 requests failed; and it could not be taken back: the gateway does not follow"
    assert said.value.cause == f"heart_disease v2: {reason}"


class Gone(Watched):
    """Somebody takes the endpoint down while its rollout is watched."""

    def endpoints(self) -> list[str]:
        return [] if self.plans else [NAME]

    def status(self, name: str) -> Status:
        if self.plans:
            raise Unreachable("there is no endpoint", "python run.py deploy")
        return super().status(name)


def test_of_an_endpoint_that_was_taken_down_nothing_is_taken_back(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Gone([("v2", True)])
    with pytest.raises(Unreachable) as said:
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert (said.value.cause, deployer.undone) == ("there is no endpoint", [])


class Stopped(Exception):
    """As ZenML's handler raises it in the pod of a run that is stopped."""


@pytest.fixture
def told_to_stop() -> Iterator[None]:
    def told(_number: int, _frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, told)
    try:
        yield
        assert signal.getsignal(signal.SIGTERM) is told
    finally:
        signal.signal(signal.SIGTERM, before)


class Deploying(Watched):
    """It is told to stop while it asks its API server to deploy, and tries again whatever then happens."""

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        with suppress(Exception):  # as clients do whose errors have no common class
            os.kill(os.getpid(), signal.SIGTERM)
        return super().deploy(bundle, version, plan)


@pytest.mark.usefixtures("told_to_stop")
def test_one_that_is_told_to_stop_while_all_is_replaced_does_not_go_on(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Deploying([("v2", True)])
    with pytest.raises(Stopped):
        roll_out(deployer, tmp_path, "v2", CANARY.model_copy(update={"strategy": "replace"}))
    assert deployer.plans == []


class Asking(Watched):
    """It is told to stop while it asks a server, and takes whatever then happens for that server's silence."""

    def status(self, name: str) -> Status:
        try:
            if len(self.plans) == 1 and not self.undone:
                os.kill(os.getpid(), signal.SIGTERM)
        except Exception:  # noqa: BLE001  as clients do whose errors have no common class
            return Status(super().status(name).endpoint, ready=False, detail="no answer")
        return super().status(name)


@pytest.mark.usefixtures("told_to_stop")
def test_one_that_is_told_to_stop_while_it_asks_a_server_takes_its_version_back(tmp_path: Path) -> None:
    heart_bundle(tmp_path)
    deployer: Any = Asking([("v2", True)])
    with pytest.raises(Stopped):
        roll_out(deployer, tmp_path, "v2", CANARY)
    assert ([plan.mode.value for plan in deployer.plans], deployer.undone) == (["canary"], [NAME])
