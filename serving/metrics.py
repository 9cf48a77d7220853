"""Counters in Prometheus text form; plain integers, since one event loop is all that writes them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the supervisor adds counters and loads no model
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
        self.failed = 0
        self.shadow: Counter[str] = Counter()
        self.feedback, self.reward = 0, 0.0

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
        self.lost = 0
        """Lines of the request log and of the samples that were dropped."""

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
            "lost": self.lost,
            "tallies": [vars(tally) for tally in self._tallies.values()],
        }


def merged(snapshots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One `Metrics.snapshot()` with the sums of several."""
    responses: Counter[tuple[str, int]] = Counter()
    tallies: dict[tuple[str, ...], dict[str, Any]] = {}
    lost = 0
    for snapshot in snapshots:
        lost += snapshot["lost"]
        for route, status, count in snapshot["responses"]:
            responses[route, status] += count
        for tally in snapshot["tallies"]:
            key = (tally["model"], tally["version"], *tally["classes"])
            before = tallies.get(key)
            tallies[key] = {name: _sum(before[name], value) for name, value in tally.items()} if before else tally
    return {
        "responses": [[route, status, count] for (route, status), count in responses.items()],
        "lost": lost,
        "tallies": list(tallies.values()),
    }


def _sum(before: Any, value: Any) -> Any:
    """Numbers are added, also in a list or by name; texts name the same thing."""
    match value:
        case str() | [str(), *_]:
            return value
        case list():
            return [a + b for a, b in zip(before, value, strict=True)]
        case dict():
            return Counter(before) + Counter(value)
    return before + value


@dataclass(slots=True)
class Totals:
    """The counters of all workers together; keys begin with model and version."""

    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    predicted: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    buckets: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    seconds: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    shadow: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    feedback: Counter[tuple[str, str]] = field(default_factory=Counter)
    reward: dict[tuple[str, str], float] = field(default_factory=dict)
    lost: int = 0

    def add(self, snapshot: Mapping[str, Any]) -> None:
        """Add one worker's `Metrics.snapshot()`."""
        for route, status, count in snapshot["responses"]:
            self.responses[route, status] += count
        self.lost += snapshot["lost"]
        for tally in snapshot["tallies"]:
            key = (tally["model"], tally["version"])
            for label, count in zip(tally["classes"], tally["predicted"], strict=True):
                self.predicted[(*key, label)] += count
            sums = self.buckets.setdefault(key, [0] * (len(BUCKETS) + 1))
            self.buckets[key] = [a + b for a, b in zip(sums, tally["buckets"], strict=True)]
            self.seconds[key] += tally["seconds"]
            self.failed[key] += tally["failed"]
            self.feedback[key] += tally["feedback"]
            self.reward[key] = self.reward.get(key, 0.0) + tally["reward"]
            for outcome, count in tally["shadow"].items():
                self.shadow[(*key, outcome)] += count


def exposition(snapshots: Iterable[Mapping[str, Any]], serving: Sequence[Model]) -> bytes:
    """The Prometheus text of all workers' counters together.

    Args:
        snapshots: One `Metrics.snapshot()` per worker.
        serving: The versions at hand now, for `model_info`.
    """
    totals = Totals()
    for snapshot in snapshots:
        totals.add(snapshot)
    version, label, outcome = ("model", "version"), ("model", "version", "label"), ("model", "version", "outcome")
    info = {(model.name, model.version, model.digest): 1 for model in serving}
    lines = [
        *_family("model_info", "gauge", "The versions at hand.", ("model", "version", "digest"), info),
        *_family("predictions_total", "counter", "Rows predicted, by predicted label.", label, totals.predicted),
        *_durations(totals),
        *_family(
            "prediction_failures_total",
            "counter",
            "Requests that a challenger failed and the champion answered.",
            version,
            totals.failed,
        ),
        *_family(
            "shadow_requests_total",
            "counter",
            "Copies of requests, by whether the shadow predicts what was answered.",
            outcome,
            totals.shadow,
        ),
        *_family("feedback_total", "counter", "Answers that a client judged.", version, totals.feedback),
        *_family("feedback_reward", "gauge", "Sum of the rewards clients gave.", version, totals.reward),
        *_family(
            "http_responses_total", "counter", "Responses, by route and status.", ("route", "status"), totals.responses
        ),
        *_family(
            "request_log_lost_total",
            "counter",
            "Lines of the request log and of the samples that were dropped.",
            (),
            {(): totals.lost},
        ),
    ]
    return "\n".join([*lines, ""]).encode()


def _family(
    name: str, kind: str, says: str, labels: Sequence[str], samples: Mapping[tuple[Any, ...], float]
) -> Iterator[str]:
    yield f"# HELP {name} {says}"
    yield f"# TYPE {name} {kind}"
    for values, count in sorted(samples.items()):
        yield f"{name}{_labels(**dict(zip(labels, map(str, values), strict=True)))} {count}"


def _durations(totals: Totals) -> Iterator[str]:
    name = "prediction_duration_seconds"
    yield f"# HELP {name} Time from a request's body read to its answer encoded."
    yield f"# TYPE {name} histogram"
    for (model, version), counts in sorted(totals.buckets.items()):
        total = 0
        for bound, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
            total += count
            yield f"{name}_bucket{_labels(model=model, version=version, le=str(bound))} {total}"
        labels = _labels(model=model, version=version)
        yield f"{name}_sum{labels} {totals.seconds[model, version]:.9f}"
        yield f"{name}_count{labels} {total}"


def _labels(**labels: str) -> str:
    if not labels:
        return ""
    escaped = ((k, v.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for k, v in labels.items())
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
