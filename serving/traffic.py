"""Which version answers: `traffic.json` in the endpoint's folder, read again when told, swapped in whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.bundle import BundleRefused, Model, load
from serving.folder import TRAFFIC


class TrafficTable:
    """The model that answers, and those kept at hand so that going back to one reads no file.

    `current` is the only thing requests look at; it is replaced by one assignment, so a request has the old
    model or the new one, never a mixture.

    Args:
        directory: The endpoint's folder; `traffic.json` in it is written by a deployer.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.current: Model | None = None
        self.generation = 0
        self.error = ""
        self._loaded: dict[tuple[str, str], Model] = {}

    def refresh(self) -> None:
        """Read `traffic.json` and load what it asks for; on any refusal the current model stays."""
        try:
            traffic = Traffic.read(self.directory / TRAFFIC)
            self.generation = traffic.generation
            version, where = traffic.chosen()
            model = self._loaded.get((version, where.digest)) or load(where.path, version, where.digest)
        except BundleRefused as error:
            self.error = str(error)
            return
        wanted = {(name, bundle.digest) for name, bundle in traffic.bundles.items()}
        self._loaded = {key: kept for key, kept in self._loaded.items() if key in wanted}
        self._loaded[version, where.digest] = model
        self.current, self.error = model, ""

    def acknowledgement(self) -> dict[str, Any]:
        """What this worker serves now, for the deployer that waits for it."""
        current = self.current
        return {
            "pid": os.getpid(),
            "generation": self.generation,
            "version": current.version if current else None,
            "digest": current.digest if current else None,
            "error": self.error,
        }


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
    bundles: Mapping[str, Located]

    @classmethod
    def read(cls, path: Path) -> Traffic:
        """Read the file.

        Raises:
            BundleRefused: It is missing or not in this format.
        """
        try:
            raw = json.loads(path.read_bytes())
            bundles = {name: Located(Path(b["path"]), str(b["digest"])) for name, b in raw["bundles"].items()}
            return cls(int(raw["generation"]), raw["plan"]["mode"], dict(raw["plan"]["weights"]), bundles)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleRefused(f"{path} can not be read: {error!r}") from None

    def chosen(self) -> tuple[str, Located]:
        """The version that takes all traffic.

        Raises:
            BundleRefused: The plan divides traffic, or names a version without a bundle.
        """
        versions = [version for version, weight in self.weights.items() if weight > 0]
        if self.mode != "replace" or len(versions) != 1:
            raise BundleRefused(f"this server renders the plan 'replace' with one version, not {self.mode!r}")
        if versions[0] not in self.bundles:
            raise BundleRefused(f"the plan names version {versions[0]}, for which there is no bundle")
        return versions[0], self.bundles[versions[0]]
