"""How far probabilities of a class can be taken at their word, and what acting on them is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tabular.metrics import SMALLEST, Floats

Hits = npt.NDArray[np.bool_]
STEPS, SETTLED, STEEPEST = 50, 1e-8, 50.0


def calibration_line(positive: Hits, probability: Floats) -> tuple[float, float]:
    """Slope and intercept of the calibration (Cox 1958; Van Calster et al. 2016, J Clin Epidemiol 74).

    Args:
        positive: Whether each row is of the class, (rows,).
        probability: Of the class, (rows,).

    Returns:
        The slope of a logistic regression on the log odds, below 1 where probabilities are too extreme; and the
        intercept with the slope held at 1 (calibration in the large), above 0 where they are too low on the whole.
        NaN where one class is absent or the classes do not overlap.
    """
    clipped = np.clip(probability, SMALLEST, 1 - 1e-12)
    odds = np.log(clipped / (1 - clipped))
    slope = _newton(np.column_stack([odds, np.ones(len(odds))]), positive, np.zeros(len(odds)))[0]
    return float(slope), float(_newton(np.ones((len(odds), 1)), positive, odds)[0])


def net_benefit(positive: Hits, probability: Floats, threshold: float) -> float:
    """Right alarms less false ones, each false one weighed by the odds of the threshold, per row.

    Decision curve analysis (Vickers and Elkin 2006, Med Decis Making 26): who acts from a probability of 0.2 on
    holds a miss to be four times as bad as a false alarm. Doing nothing is worth 0.
    """
    alarms = probability >= threshold
    right, false = (alarms & positive).mean(), (alarms & ~positive).mean()
    return float(right - false * threshold / (1 - threshold))


def decision_curve(positive: Hits, probability: Floats, thresholds: Sequence[float]) -> list[dict[str, float]]:
    """Net benefit by threshold: of acting on the model, and of acting on every row.

    Returns:
        Per threshold `threshold`, `model` and `all`.
    """
    everyone = np.ones(len(positive))
    return [
        {
            "threshold": threshold,
            "model": net_benefit(positive, probability, threshold),
            "all": net_benefit(positive, everyone, threshold),
        }
        for threshold in thresholds
    ]


def average_precision(positive: Hits, score: Floats) -> float:
    """Area under the precision-recall curve as the mean precision at each hit, ties as one step; NaN without a hit."""
    hits = int(positive.sum())
    if hits == 0:
        return math.nan
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.nonzero(np.diff(score[order]))[0], len(score) - 1]
    found = np.cumsum(positive[order])[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / hits)


def _newton(columns: Floats, positive: Hits, offset: Floats) -> Floats:
    """Coefficients of a logistic regression; NaN where they run away."""
    coefficients = np.zeros(columns.shape[1])
    if positive.all() or not positive.any():
        return np.full(len(coefficients), np.nan)
    for _ in range(STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(columns @ coefficients + offset, -500, 500)))
        curvature = columns.T @ (columns * (fitted * (1 - fitted))[:, None])
        if not np.linalg.cond(curvature) < 1 / SMALLEST:
            break
        step = np.linalg.solve(curvature, columns.T @ (positive - fitted))
        coefficients += step
        if np.abs(coefficients).max() > STEEPEST:
            break
        if np.abs(step).max() < SETTLED:
            return np.asarray(coefficients)
    return np.full(len(coefficients), np.nan)
