"""Counters of several workers together."""

from __future__ import annotations

import json

from serving.bundle import Model
from serving.metrics import Metrics, exposition, merged


def _worked(model: Model, healthy: int, ill: int) -> Metrics:
    metrics = Metrics()
    metrics.of(model).observe([0] * healthy + [1] * ill, 0.002)
    metrics.of(model).shadow["agreed"] += healthy
    metrics.of(model).feedback, metrics.of(model).reward = 1, 0.5
    metrics.responses["/predict", 200] += healthy + ill
    metrics.lost = ill
    return metrics


def test_merged_counters_say_what_those_of_each_say_together(heart: Model, flowers: Model) -> None:
    snapshots = [_worked(heart, 3, 1).snapshot(), _worked(heart, 4, 0).snapshot(), _worked(flowers, 2, 5).snapshot()]
    written = json.loads(json.dumps(merged(snapshots)))
    assert exposition([written], [heart]) == exposition(snapshots, [heart])
    (first, second) = written["tallies"]
    assert (first["model"], first["predicted"], first["shadow"]) == ("heart_disease", [7, 1], {"agreed": 7})
    assert (second["model"], second["predicted"], second["reward"]) == ("flowers", [2, 5, 0], 0.5)
    assert (written["responses"], written["lost"]) == ([["/predict", 200, 15]], 6)


def test_merging_leaves_what_it_merges_as_it_was(heart: Model) -> None:
    first, second = _worked(heart, 3, 1).snapshot(), _worked(heart, 4, 0).snapshot()
    before = json.dumps([first, second])
    merged([first, second])
    assert json.dumps([first, second]) == before


def test_nothing_merged_is_nothing() -> None:
    assert merged([]) == Metrics().snapshot()
