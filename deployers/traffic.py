"""The traffic plan: which versions answer, how often, and in which role. Plain data; each deployer renders it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from project.errors import ConfigError

WHOLE = 100.0


class Mode(StrEnum):
    """How versions share an endpoint."""

    REPLACE = "replace"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"
    AB = "ab"
    SHADOW = "shadow"


SHARED = (Mode.CANARY, Mode.AB)
"""Modes in which several versions answer."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What a challenger may do before the server takes its traffic away, by itself and at once."""

    errors: float = 0.02
    """Largest share of its requests that may fail."""
    slow_seconds: float = 0.1
    slow: float = 0.05
    """Largest share of its requests that may take longer than `slow_seconds`."""
    requests: int = 50
    """Requests that must have been seen before it is judged."""
    shift: float = 1.0
    """Largest difference between its share and the champion's of answers with the same label."""


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """Versions and their share of the answers, in percent; where several are named the champion is the first.

    A version of weight 0 is kept ready (blue-green) or gets copies of requests (shadow).

    Raises:
        ConfigError: A weight is negative or no number, the weights do not sum to 100, or do not go with the mode.
    """

    mode: Mode
    weights: Mapping[str, float]
    guard: Guard | None = None
    sticky: str | None = None
    """In an A/B test the header whose value decides; without it the server's default."""

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
        if self.mode not in SHARED and WHOLE not in self.weights.values():
            raise ConfigError(f"traffic plan: in mode {self.mode.value!r} one version answers, not {self.shares()}")

    def shares(self) -> str:
        """The weights as a person reads them."""
        return ", ".join(f"{version} {weight:g} %" for version, weight in self.weights.items())

    @classmethod
    def replace(cls, version: str) -> TrafficPlan:
        """All traffic to one version."""
        return cls(Mode.REPLACE, {version: WHOLE})

    def as_json(self) -> dict[str, object]:
        """The plan as a server or a record keeps it."""
        plan: dict[str, object] = {"mode": str(self.mode), "weights": dict(self.weights)}
        if self.guard is not None:
            plan["guard"] = asdict(self.guard)
        if self.sticky is not None:
            plan["sticky"] = self.sticky
        return plan

    @classmethod
    def parse(cls, plan: Mapping[str, Any]) -> TrafficPlan:
        """A plan from its JSON; KeyError, TypeError or ValueError where it does not fit."""
        guard = plan.get("guard")
        return cls(Mode(plan["mode"]), dict(plan["weights"]), Guard(**guard) if guard else None, plan.get("sticky"))
