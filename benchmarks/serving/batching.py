"""Whether it would pay to hold single rows back and predict them together."""

from __future__ import annotations

import time

from benchmarks.serving.model import BUNDLE, rows
from serving.bundle import load

CALLS, REPEATS = 200, 20
SIZES = (1, 2, 4, 8, 16)


def microseconds_together(digest: str) -> dict[int, float]:
    """CPU time of the model for so many rows at once, the least of several; one row as it is predicted today."""
    model = load(BUNDLE, "v1", digest)
    asked = rows(max(SIZES)).tensor
    taken = dict.fromkeys(SIZES, float("inf"))
    for size in [*SIZES] * REPEATS:
        started = time.process_time()
        for _ in range(CALLS):
            if size == 1:
                model.one(asked[0])
            else:
                model.probabilities(asked[:size]).tolist()
        taken[size] = min(taken[size], (time.process_time() - started) / CALLS * 1e6)
    return taken
