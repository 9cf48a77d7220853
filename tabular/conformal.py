"""Sets of classes that hold the true one in a promised share of cases (conformal prediction).

Calibrated on out-of-fold probabilities of the training rows: a class is in the set when its probability is at least
1 - limit, and the likeliest class always is. For rows like those, and on average over them, the share is kept
where the scores are of a model that saw none of the rows (Vovk, Gammerman and Shafer 2005). Out-of-fold scores, judged
with the model of all rows, keep it as far as that model answers as those of the folds do (Barber et al. 2021, Ann Stat
49, on the jackknife); so the coverage is measured on held-out rows, and at every other site.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from tabular.metrics import DIGITS, Classes, Floats, rounded

LEVELS = tuple(f"{percent / 100:.2f}" for percent in range(50, 100))
REPORTED = ("0.80", "0.90", "0.95")
Z95 = 1.959964


def limits(truth: Classes, out_of_fold: Floats) -> dict[str, float]:
    """The largest 1 - probability of a true class that a set of each level must still hold.

    Args:
        truth: Class indices, (rows,).
        out_of_fold: Probabilities of a model that did not learn from the row, (rows, classes).

    Returns:
        Level ("0.50" to "0.99") to limit, rounded up; 1 where there are too few rows to promise the level.
    """
    scores = np.sort(1 - out_of_fold[np.arange(len(truth)), truth])
    found = {}
    for level in LEVELS:
        rank = math.ceil(round((len(scores) + 1) * float(level), 9))
        limit = scores[rank - 1] if rank <= len(scores) else 1.0
        found[level] = min(1.0, math.ceil(limit * 10**DIGITS) / 10**DIGITS)
    return found


def prediction_sets(probabilities: Floats, limit: float) -> npt.NDArray[np.bool_]:
    """Which classes are in the set of each row, (rows, classes)."""
    held = 1 - probabilities <= limit
    held[np.arange(len(held)), probabilities.argmax(axis=1)] = True
    return np.asarray(held)


def coverage(truth: Classes, probabilities: Floats, limit_of: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """How often the set holds the true class, with a 95 % interval (Wilson 1927), and how many classes it holds.

    Returns:
        Level to `coverage`, `low`, `high`, `classes` (mean size of a set) and `single` (share of sets of one class).
    """
    found = {}
    for level in REPORTED:
        held = prediction_sets(probabilities, limit_of[level])
        right, sizes = float(held[np.arange(len(truth)), truth].mean()), held.sum(axis=1)
        low, high = wilson(right, len(truth))
        figures = {"coverage": right, "low": low, "high": high, "classes": sizes.mean(), "single": (sizes == 1).mean()}
        found[level] = {name: rounded(float(value)) for name, value in figures.items()}
    return found


def wilson(share: float, rows: int) -> tuple[float, float]:
    """95 % score interval of a share of rows (Wilson 1927)."""
    spread = Z95**2 / rows
    middle, half = share + spread / 2, Z95 * math.sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
