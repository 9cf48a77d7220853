"""The traffic plan: which versions answer, how often, and in which role. Plain data; each deployer renders it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from project.errors import ConfigError

WHOLE = 100.0


class Mode(StrEnum):
    """How versions share an endpoint."""

    REPLACE = "replace"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"
    AB = "ab"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """Versions and their share of the answers, in percent.

    A version of weight 0 is kept ready (blue-green) or gets copies of requests (shadow).

    Raises:
        ConfigError: A weight is negative or no number, or the weights do not sum to 100.
    """

    mode: Mode
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Check the weights."""
        for version, weight in self.weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ConfigError(f"traffic plan: the weight of version {version} is {weight}; allowed: 0 to 100")
        total = math.fsum(self.weights.values())
        if not math.isclose(total, WHOLE):
            raise ConfigError(f"traffic plan: the weights sum to {total:g}, they must sum to 100")
        if self.mode is Mode.REPLACE and len(self.weights) != 1:
            raise ConfigError(f"traffic plan: 'replace' names one version, not {', '.join(self.weights)}")

    @classmethod
    def replace(cls, version: str) -> TrafficPlan:
        """All traffic to one version."""
        return cls(Mode.REPLACE, {version: WHOLE})

    def as_json(self) -> dict[str, object]:
        """The plan as a server or a record keeps it."""
        return {"mode": str(self.mode), "weights": dict(self.weights)}
