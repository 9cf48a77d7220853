"""A traffic plan as `traffic.json` states it, and as requests follow it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec

from serving.bundle import Model
from serving.guard import Bounds, Watch
from serving.manifest import BundleRefused
from serving.problems import Problem

MODES = ("replace", "blue-green", "canary", "ab", "shadow")
SHARED = ("canary", "ab")
"""Modes in which several versions answer."""
STICKY = "x-user-id"


@dataclass(frozen=True, slots=True)
class Routing:
    """Who answers. Requests look at nothing else, so one assignment changes everything at once."""

    champion: Model
    challengers: tuple[tuple[float, Model], ...] = ()
    """Those that answer beside the champion: each takes the draws below its bound that none before it took."""
    shadows: tuple[Model, ...] = ()
    """Those that get copies of requests and answer nobody."""
    sticky: bytes = b""
    """In an A/B test the header whose value decides; without it the request's id does."""
    watches: Mapping[str, Watch] = field(default_factory=dict)

    def choose(self, headers: Mapping[bytes, bytes], request_id: str) -> Model:
        """The version for one request; in an A/B test the same header value always gets the same one."""
        subject = headers.get(self.sticky) or request_id.encode()
        draw = int.from_bytes(blake2b(subject, digest_size=8, key=self.champion.name.encode()).digest()) / 2**64
        for bound, model in self.challengers:
            if draw < bound:
                return model
        return self.champion

    def named(self, parameters: Mapping[str, str]) -> Model | None:
        """The version that a path names by its parts; None if it leaves that to the plan.

        Raises:
            Problem: It names another model, or a version that is not in the plan.
        """
        version = parameters.get("version")
        if parameters.get("model", self.champion.name) == self.champion.name:
            if version is None:
                return None
            for model in self.models():
                if model.version == version:
                    return model
        serving = ", ".join(f"{model.name} version {model.version}" for model in self.models())
        detail = f"{serving} is here, not {' version '.join(parameters.values())[:100]}"
        raise Problem(HTTPStatus.NOT_FOUND, "no-such-model", detail)

    def models(self) -> list[Model]:
        """Every version in it, the champion first."""
        return [self.champion, *(model for _, model in self.challengers), *self.shadows]


@dataclass(frozen=True, slots=True)
class Located:
    """Where a bundle lies and the digest it must have."""

    path: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """`traffic.json`."""

    generation: int
    mode: str
    weights: Mapping[str, float]
    sticky: str
    guard: Bounds | None
    bundles: Mapping[str, Located]
    stated: Mapping[str, Any]
    """The whole file."""

    @classmethod
    def read(cls, path: Path) -> Traffic:
        """Read the file.

        Raises:
            BundleRefused: It is missing or not in this format.
        """
        try:
            raw = json.loads(path.read_bytes())
            plan = raw["plan"]
            bundles = {name: Located(Path(b["path"]), str(b["digest"])) for name, b in raw["bundles"].items()}
            weights = {str(version): float(weight) for version, weight in plan["weights"].items()}
            guard = Bounds(**plan["guard"]) if plan.get("guard") else None
            sticky = plan.get("sticky", STICKY)
            return cls(int(raw["generation"]), plan["mode"], weights, sticky, guard, bundles, raw)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleRefused(f"{path} can not be read: {error!r}") from None

    def check(self) -> None:
        """Whether this server can follow the plan.

        Raises:
            BundleRefused: Another mode, weights that do not go with the mode, or values of other types.
        """
        try:  # a text where a number should be would fail a request, long after the plan was accepted
            msgspec.convert(self.sticky, str)
            msgspec.convert(asdict(self.guard) if self.guard else None, Bounds | None)
        except msgspec.ValidationError as error:
            raise BundleRefused(f"no plan of this server: {error}") from None
        answering = sum(weight > 0 for weight in self.weights.values())
        numbers = all(0 <= weight < math.inf for weight in self.weights.values())
        if self.mode not in MODES or not answering or not numbers or (answering > 1 and self.mode not in SHARED):
            raise BundleRefused(f"no plan of this server: {self.mode!r} with weights {dict(self.weights)}")

    def located(self, version: str) -> Located:
        """The bundle of a version.

        Raises:
            BundleRefused: The plan names a version without one.
        """
        if version not in self.bundles:
            raise BundleRefused(f"the plan names version {version}, for which there is no bundle")
        return self.bundles[version]

    def routing(
        self, models: Mapping[str, Model], withdrawn: Mapping[str, str], watches: Mapping[str, Watch]
    ) -> Routing:
        """The plan as requests follow it.

        The champion is the version with all the traffic, or the first that is named; what is withdrawn answers no more.
        """
        answering = {version: weight for version, weight in self.weights.items() if weight > 0}
        champion = next(iter(answering if len(answering) == 1 else self.weights))
        total, bound = sum(answering.values()), 0.0
        challengers = []
        for version, weight in answering.items():
            if version != champion and version not in withdrawn:
                bound += weight / total
                challengers.append((bound, models[version]))
        shadows = [version for version, weight in self.weights.items() if weight == 0] if self.mode == "shadow" else []
        guard = self.guard
        return Routing(
            models[champion],
            tuple(challengers),
            tuple(models[version] for version in shadows),
            self.sticky.lower().encode() if self.mode == "ab" else b"",
            {m.version: watches.get(m.version) or Watch(guard) for _, m in challengers} if guard else {},
        )
