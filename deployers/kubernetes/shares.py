"""Which versions have pods and how often each answers, as an endpoint's record and a change say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployers.history import Change
from deployers.interface import Endpoint, Version
from deployers.traffic import WHOLE, Mode, TrafficPlan


def shares(
    champion: Version, beside: tuple[Version, ...], plan: TrafficPlan | None
) -> tuple[Mode, dict[Version, float]]:
    """Who answers how often, told apart by version and bundle alone."""
    if plan is None:
        return Mode.REPLACE, {plain(champion): WHOLE}
    return plan.mode, {plain(version): plan.weights[version.version] for version in (champion, *beside)}


def standing_by(old: Endpoint | None, change: Change) -> Mapping[Version, float]:
    """The former champion of a blue-green switch keeps its pods: going back to it takes no start."""
    switched = old is not None and old.plan is not None and old.plan.mode is Mode.BLUE_GREEN and not change.plan
    if old is None or not switched or change.current.version == old.current.version:
        return {}
    return {plain(old.current): 0.0}


def plain(version: Version) -> Version:
    """A version as its pods know it: what it is, not since when."""
    return replace(version, deployed_at="", withdrawn=False)
