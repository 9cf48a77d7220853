"""Who deploys asks once more who the champion is: where steps are pods, another machine's run may have made one."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

from deployers.rollout import RolloutSettings
from project.errors import Refused
from tabular.bundle import read_bundle
from tests.served import REFERENCE

ROLLOUT = RolloutSettings.model_validate(
    {
        "strategy": "replace",
        "shares": [10],
        "seconds": 1,
        "guard": {"errors": 0.02, "slow_seconds": 1.0, "slow": 1.0, "requests": 50, "shift": 1.0},
    }
)


@pytest.mark.parametrize(("champion", "deployed"), [("v2", False), ("v1", True), (None, True)])
def test_a_version_that_is_no_longer_the_champion_is_not_deployed(
    champion: str | None, deployed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("steps.deployment.deploy_champion")
    rolled_out = []
    monkeypatch.setattr(module, "champion", lambda _: champion and SimpleNamespace(name=champion))
    monkeypatch.setattr(module, "active", lambda _: None)
    monkeypatch.setattr(module, "roll_out", lambda *given: rolled_out.append(given[2]))
    if deployed:
        module.deploy_champion.entrypoint(read_bundle(REFERENCE), "v1", ROLLOUT)
    else:
        with pytest.raises(Refused, match="heart_disease v2 has become the champion; v1 was not deployed"):
            module.deploy_champion.entrypoint(read_bundle(REFERENCE), "v1", ROLLOUT)
    assert rolled_out == ["v1"] * deployed
