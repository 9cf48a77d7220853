"""The versions of an endpoint: what a deployment or a rollback makes of them, on every backend alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployers.interface import Endpoint, Version
from deployers.record import now
from deployers.traffic import TrafficPlan
from project.errors import ConfigError, Refused

KEPT = 3
"""Versions an endpoint keeps: the one that serves and two to go back to."""


@dataclass(frozen=True, slots=True)
class Change:
    """What shall answer next."""

    versions: Sequence[Version]
    """The champion, then those a rollback can go to, newest first."""
    beside: tuple[Version, ...] = ()
    """Those that share its traffic, get copies of it, or stand by."""
    plan: TrafficPlan | None = None
    """How, where there are such versions."""

    @property
    def current(self) -> Version:
        """The champion."""
        return self.versions[0]


def deploying(before: Endpoint | None, version: str, digest: str, plan: TrafficPlan) -> Change:
    """What a deployment of `version` makes of an endpoint.

    Raises:
        ConfigError: The plan does not name the version, or another beside it than the one that serves.
    """
    if version not in plan.weights:
        raise ConfigError(f"the traffic plan names {', '.join(plan.weights)}, not the version {version} it is for")
    new = Version(version, digest, now())
    previous: tuple[Version, ...] = ()
    if before is not None:
        if (before.current.version, before.current.digest) == (version, digest):
            new = before.current
        previous = tuple(kept for kept in (before.current, *before.previous) if kept.version != version)
    others = [name for name in plan.weights if name != version]
    if not others:
        return Change([new, *previous][:KEPT])
    if before is None or others != [before.current.version]:
        serving = before.current.version if before else "nothing"
        raise ConfigError(f"the traffic plan is for {', '.join(others)} beside {version}, but {serving} serves")
    return Change(previous[:KEPT], (new,), plan)


def rolling_back(before: Endpoint, to: str | None) -> Change:
    """What a rollback makes of an endpoint: the champion alone, or the version before it, or the version `to`.

    Raises:
        Refused: There is nothing to go back to.
    """
    current, previous = before.current, before.previous
    if before.beside and to in (None, current.version):
        tried = [replace(version, withdrawn=True) for version in before.beside]
        return Change([current, *tried, *previous][: KEPT + 1])
    target = before.target if to is None else next((v for v in previous if v.version == to), None)
    if target is None:
        kept = ", ".join(v.version for v in previous) or "none"
        what = "no earlier version" if to is None else f"version {to} is not kept"
        raise Refused(f"{before.name} serves version {current.version}: {what}; kept: {kept}", "python run.py status")
    others = [v for v in previous if v is not target]
    again = replace(target, withdrawn=False, deployed_at=now())
    # What is left for a version that was itself withdrawn was a detour, and stays a place to go back to.
    left = replace(current, withdrawn=not target.withdrawn)
    return Change([again, left, *others])
