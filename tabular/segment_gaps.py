"""Gaps between the segments of a contract: how much worse the model is for those it is worst for, beyond chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabular.contract import Contract
from tabular.evaluation import SMALLEST_SEGMENT, segment_rows
from tabular.metrics import Classes, Floats, measure
from tabular.training_config import LOSSES, GapBound

RESAMPLES = 300
Rows = Classes


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference of a metric between the best and the worst part of a segment."""

    segment: str
    metric: str
    best: str
    worst: str
    rows: tuple[int, int]
    """Of the best part and of the worst."""
    value: float
    interval: tuple[float, float]
    """95 % bootstrap interval of the difference between these two parts; below 0 where chance may have ranked them."""
    at_most: float


def segment_gaps(
    contract: Contract,
    rows: pd.DataFrame,
    truth: Classes,
    probabilities: Floats,
    threshold: float | None,
    bounds: Sequence[GapBound],
    seed: int,
) -> list[Gap]:
    """The gap of each bound in each segment of the contract.

    Args:
        contract: States the segments.
        rows: Typed rows.
        truth: Their classes, (rows,).
        probabilities: Out of fold, (rows, classes).
        threshold: Of the decision, None for the likeliest class.
        bounds: Metrics, and the largest gap that is allowed in them.
        seed: Of the resamples.

    Returns:
        By bound and segment; a segment with fewer than two parts that are large enough for the metric has none.
    """
    return [
        gap
        for bound in bounds
        for name, segment in contract.segments.items()
        for gap in _gap(
            name,
            {
                label: np.flatnonzero(members.to_numpy(dtype=bool))
                for label, members in segment_rows(contract, segment.feature, segment.edges, rows).items()
            },
            truth,
            probabilities,
            threshold,
            bound,
            seed,
        )
    ]


def _gap(
    segment: str,
    parts: dict[str, Rows],
    truth: Classes,
    probabilities: Floats,
    threshold: float | None,
    bound: GapBound,
    seed: int,
) -> Iterator[Gap]:
    def figure(rows: Rows) -> float:
        value = measure(truth[rows], probabilities[rows], threshold).get(bound.metric, math.nan)
        return -value if bound.metric in LOSSES else value

    figures = {label: figure(rows) for label, rows in parts.items() if len(rows) >= SMALLEST_SEGMENT}
    known = {label: value for label, value in figures.items() if math.isfinite(value)}
    if len(known) < 2:
        return
    best, worst = max(known, key=known.__getitem__), min(known, key=known.__getitem__)
    draw = np.random.default_rng(seed)
    resampled = [
        figure(draw.choice(parts[best], len(parts[best]))) - figure(draw.choice(parts[worst], len(parts[worst])))
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    sizes = (len(parts[best]), len(parts[worst]))
    value = known[best] - known[worst]
    yield Gap(segment, bound.metric, best, worst, sizes, value, (float(low), float(high)), bound.at_most)
