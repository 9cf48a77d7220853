"""Counters in Prometheus text form; plain integers, since one event loop is all that writes them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.bundle import Model

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Tally:
    """Predictions of one model version."""

    def __init__(self, model: Model) -> None:
        self.model, self.version, self.classes = model.name, model.version, list(model.classes)
        self.predicted = [0] * len(self.classes)
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def observe(self, predicted: Sequence[int], seconds: float) -> None:
        """Count the rows of one answered request, and its duration."""
        for index in predicted:
            self.predicted[index] += 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Metrics:
    """What one worker has done since it started."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str], Tally] = {}
        self.responses: Counter[tuple[str, int]] = Counter()

    def of(self, model: Model) -> Tally:
        """The tally of a model version, kept when the version stops serving: a counter never falls."""
        tally = self._tallies.get((model.version, model.digest))
        if tally is None:
            tally = self._tallies[model.version, model.digest] = Tally(model)
        return tally

    def snapshot(self) -> dict[str, Any]:
        """All counters as JSON, for a sibling worker's answer."""
        return {
            "responses": [[route, status, count] for (route, status), count in self.responses.items()],
            "tallies": [vars(tally) for tally in self._tallies.values()],
        }


def exposition(snapshots: Iterable[Mapping[str, Any]], serving: Model | None) -> bytes:
    """The Prometheus text of all workers' counters together.

    Args:
        snapshots: One `Metrics.snapshot()` per worker.
        serving: The model that answers now, for `model_info`.
    """
    responses: Counter[tuple[str, int]] = Counter()
    predicted: Counter[tuple[str, str, str]] = Counter()
    buckets: dict[tuple[str, str], list[int]] = {}
    seconds: Counter[tuple[str, str]] = Counter()
    for snapshot in snapshots:
        for route, status, count in snapshot["responses"]:
            responses[route, status] += count
        for tally in snapshot["tallies"]:
            key = (tally["model"], tally["version"])
            for label, count in zip(tally["classes"], tally["predicted"], strict=True):
                predicted[(*key, label)] += count
            sums = buckets.setdefault(key, [0] * (len(BUCKETS) + 1))
            buckets[key] = [a + b for a, b in zip(sums, tally["buckets"], strict=True)]
            seconds[key] += tally["seconds"]
    lines = ["# HELP model_info The model version that serves.", "# TYPE model_info gauge"]
    if serving is not None:
        labels = _labels(model=serving.name, version=serving.version, digest=serving.digest)
        lines.append(f"model_info{labels} 1")
    lines += ["# HELP predictions_total Rows predicted, by predicted label.", "# TYPE predictions_total counter"]
    for (model, version, label), count in sorted(predicted.items()):
        lines.append(f"predictions_total{_labels(model=model, version=version, label=label)} {count}")
    lines += [
        "# HELP prediction_duration_seconds Time from a request's body read to its answer encoded.",
        "# TYPE prediction_duration_seconds histogram",
    ]
    for (model, version), counts in sorted(buckets.items()):
        total = 0
        for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
            total += count
            labels = _labels(model=model, version=version, le=str(bound))
            lines.append(f"prediction_duration_seconds_bucket{labels} {total}")
        labels = _labels(model=model, version=version)
        lines.append(f"prediction_duration_seconds_sum{labels} {seconds[model, version]:.9f}")
        lines.append(f"prediction_duration_seconds_count{labels} {total}")
    lines += ["# HELP http_responses_total Responses, by route and status.", "# TYPE http_responses_total counter"]
    for (route, status), count in sorted(responses.items()):
        lines.append(f"http_responses_total{_labels(route=route, status=str(status))} {count}")
    return "\n".join([*lines, ""]).encode()


def _labels(**labels: str) -> str:
    escaped = ((k, v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for k, v in labels.items())
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
