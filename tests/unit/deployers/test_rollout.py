"""A rollout that can not begin leaves what others try at the endpoint; tests/integration has whole ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deployers.interface import Endpoint, Status, Version
from deployers.rollout import RolloutSettings, roll_out
from deployers.traffic import TrafficPlan
from project.errors import Refused
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
