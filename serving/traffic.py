"""Which version answers: `traffic.json` in the endpoint's folder, read again when told, swapped in whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.bundle import Model, load
from serving.contract import check_fits
from serving.folder import ACCEPTED, TRAFFIC, TRIPPED, write_json
from serving.log import LOGGER
from serving.manifest import BundleRefused
from serving.plan import Routing, Traffic


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
        self._plan: Traffic | None = None
        """What `routing` follows; not what the file says while that is refused."""
        self._loaded: dict[tuple[str, str], Model] = {}

    def refresh(self) -> None:
        """Read `traffic.json` and load what it asks for; where that is refused, the plan accepted last stays.

        It is kept in a file too: a worker that starts, and a server, find there what served, and judge what is new
        beside it as all others do.
        """
        if self._plan is None:
            with suppress(Exception):  # there is none before the first one, and its bundles may be gone
                self._follow(Traffic.read(self.directory / ACCEPTED))
        before = self._plan
        try:
            traffic = Traffic.read(self.directory / TRAFFIC)
            self.generation = traffic.generation  # also where it is refused: the deployer waits to hear of this one
            self._follow(traffic)
        except Exception as error:  # noqa: BLE001  whatever a plan or a bundle has in it, what serves goes on
            if not isinstance(error, BundleRefused):
                LOGGER.exception("generation %d", self.generation)
            self.error = str(error) if isinstance(error, BundleRefused) else f"can not be followed: {error!r}"
            if before is not None:
                self._follow(before)  # a challenger of it may have been withdrawn
            return
        self.error = ""
        if before is None or before.stated != traffic.stated:
            self._write(ACCEPTED, traffic.stated)

    def _follow(self, traffic: Traffic) -> None:
        traffic.check()
        wanted = {(name, bundle.digest) for name, bundle in traffic.bundles.items()}
        loaded = {key: kept for key, kept in self._loaded.items() if key in wanted}
        models: dict[str, Model] = {}
        for version in traffic.weights:
            where = traffic.located(version)
            key = (version, where.digest)
            models[version] = loaded[key] = loaded.get(key) or load(where.path, version, where.digest)
            check_fits(models[version], self.routing.champion if self.routing else next(iter(models.values())))
        same = self.routing if self._plan is not None and self._plan.generation == traffic.generation else None
        watches = same.watches if same else {}
        withdrawn = {**(self.withdrawn if same else {}), **self._read_withdrawn(traffic.generation)}
        self._loaded, self._plan, self.withdrawn = loaded, traffic, withdrawn
        self.routing = traffic.routing(models, withdrawn, watches)

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
            generation = self._plan.generation if self._plan else self.generation
            self._write(TRIPPED, {"generation": generation, "withdrawn": self.withdrawn})
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

    def _write(self, name: str, value: object) -> None:
        try:
            write_json(self.directory / name, value)
        except OSError as error:  # a full disk: this worker does as it says all the same
            LOGGER.error("%s can not be written: %s", self.directory / name, error.strerror)

    def _read_withdrawn(self, generation: int) -> dict[str, str]:
        """Kept in a file, so that the other workers follow and a worker that starts later knows."""
        try:
            stated = json.loads((self.directory / TRIPPED).read_bytes())
            return dict(stated["withdrawn"]) if stated["generation"] == generation else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
