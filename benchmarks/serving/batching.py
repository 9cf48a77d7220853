"""Whether it would pay to hold single rows back and predict them together."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.serving.model import BUNDLE, rows
from serving.bundle import load

CALLS = 3000
SIZES = (1, 2, 4, 8, 16)


def microseconds_together(digest: str) -> dict[int, float]:
    """Time of the model for so many rows at once; the first is how a single row is predicted today."""
    model = load(BUNDLE, "v1", digest)
    asked = rows(max(SIZES))
    taken = {}
    for size in SIZES:
        tensor = np.array(asked.tensor[:size], dtype=np.float32)
        for _ in range(2):  # the first warms
            started = time.perf_counter()
            for _ in range(CALLS):
                model.one(asked.tensor[0]) if size == 1 else model.infer(tensor).tolist()
            taken[size] = (time.perf_counter() - started) / CALLS * 1e6
    return taken
