"""Which version answers: `traffic.json` in the endpoint's folder, read again when told, swapped in whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from serving.bundle import Model, load
from serving.folder import TRAFFIC, TRIPPED, write_json
from serving.guard import Bounds, Watch
from serving.log import LOGGER
from serving.manifest import BundleRefused

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

    def models(self) -> list[Model]:
        """Every version in it, the champion first."""
        return [self.champion, *(model for _, model in self.challengers), *self.shadows]


class TrafficTable:
    """The versions at hand, and the routing among them.

    Args:
        directory: The endpoint's folder; `traffic.json` in it is written by a deployer.
        tripped: Called when a challenger broke its bounds, after that was written into the folder.
    """

    def __init__(self, directory: Path, tripped: Callable[[], None] = lambda: None) -> None:
        self.directory = directory
        self.routing: Routing | None = None
        self.generation = 0
        self.error = ""
        self.withdrawn: dict[str, str] = {}
        """Challengers that broke their bounds under this plan, and how."""
        self._tripped = tripped
        self._loaded: dict[tuple[str, str], Model] = {}

    def refresh(self) -> None:
        """Read `traffic.json` and load what it asks for; on any refusal the current routing stays."""
        try:
            traffic = Traffic.read(self.directory / TRAFFIC)
            same = self.routing if self.generation == traffic.generation else None
            self.generation = traffic.generation  # also where it is refused: the deployer waits to hear of this one
            traffic.check()
            wanted = {(name, bundle.digest) for name, bundle in traffic.bundles.items()}
            loaded = {key: kept for key, kept in self._loaded.items() if key in wanted}
            models = {}
            for version in traffic.weights:
                where = traffic.located(version)
                key = (version, where.digest)
                models[version] = loaded[key] = loaded.get(key) or load(where.path, version, where.digest)
        except BundleRefused as error:
            self.error = str(error)
            return
        watches = same.watches if same else {}
        withdrawn = {**(self.withdrawn if same else {}), **self._read_withdrawn(traffic.generation)}
        self._loaded, self.withdrawn = loaded, withdrawn
        self.routing = traffic.routing(models, withdrawn, watches)
        self.error = ""

    def answered(self, model: Model, seconds: float, failed: bool, predicted: Sequence[int] = ()) -> None:
        """Hold one request of a challenger against the plan's bounds; one that breaks them answers no more."""
        routing = self.routing
        if routing is not None and model is routing.champion:
            for each in routing.watches.values():
                each.usual.update(predicted)
            return
        watch = routing.watches.get(model.version) if routing else None
        if watch is None or model.version in self.withdrawn:
            return
        reason = watch.verdict(seconds, failed, predicted)
        if reason:
            LOGGER.error("version %s is withdrawn: %s", model.version, reason)
            self.withdrawn[model.version] = reason
            try:
                write_json(self.directory / TRIPPED, {"generation": self.generation, "withdrawn": self.withdrawn})
            except OSError as error:  # a full disk: this worker withdraws it all the same
                LOGGER.error("%s can not be written: %s", self.directory / TRIPPED, error.strerror)
            self.refresh()
            self._tripped()

    def acknowledgement(self) -> dict[str, Any]:
        """What this worker serves now, for the deployer that waits for it."""
        champion = self.routing.champion if self.routing else None
        return {
            "pid": os.getpid(),
            "generation": self.generation,
            "version": champion.version if champion else None,
            "digest": champion.digest if champion else None,
            "error": self.error,
            "withdrawn": self.withdrawn,
        }

    def state(self) -> dict[str, Any]:
        """The routing and what was seen of its challengers, for `GET /traffic`."""
        routing = self.routing
        if routing is None:
            return self.acknowledgement()
        bounds = [0.0, *(bound for bound, _ in routing.challengers)]
        shares = {model.version: high - low for low, (high, model) in zip(bounds, routing.challengers, strict=False)}
        watched = {
            version: {"requests": watch.requests, "failed": watch.failed, "slow": watch.slow}
            for version, watch in routing.watches.items()
        }
        return {
            **self.acknowledgement(),
            "shares": {routing.champion.version: 1 - sum(shares.values()), **shares},
            "shadows": [model.version for model in routing.shadows],
            "watched": watched,
        }

    def _read_withdrawn(self, generation: int) -> dict[str, str]:
        """Kept in a file, so that the other workers follow and a worker that starts later knows."""
        try:
            stated = json.loads((self.directory / TRIPPED).read_bytes())
            return dict(stated["withdrawn"]) if stated["generation"] == generation else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


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
            return cls(int(raw["generation"]), plan["mode"], weights, plan.get("sticky", STICKY), guard, bundles)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleRefused(f"{path} can not be read: {error!r}") from None

    def check(self) -> None:
        """Whether this server can follow the plan.

        Raises:
            BundleRefused: Another mode, or weights that do not go with the mode.
        """
        answering = sum(weight > 0 for weight in self.weights.values())
        if self.mode not in MODES or not answering or (answering > 1 and self.mode not in SHARED):
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
