"""Metrics of class probabilities, the same for two classes and for more."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]

SMALLEST = 1e-15
DIGITS = 6
"""Stored figures are rounded here, so that the last bits of a sum do not change a bundle's digest."""
BLOCK = 1_000_000
"""Rows that are drawn at a time: 16 MB of positions and values, where all at once would pass a step pod's 2 GiB."""


def rounded(value: float) -> float:
    """A figure as stored; NaN stays NaN."""
    return round(float(value), DIGITS)


def row_log_loss(truth: Classes, probabilities: Floats) -> Floats:
    """Negative log-likelihood of each row, shape (rows,), natural logarithm."""
    chosen = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(chosen, SMALLEST, 1.0)))


def brier(truth: Classes, probabilities: Floats) -> float:
    """Mean squared error of the probabilities; halved, so that for two classes it is the usual Brier score (0 to 1)."""
    hot = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - hot) ** 2).sum(axis=1).mean() / 2)


def roc_auc(truth: Classes, probabilities: Floats) -> float:
    """Area under the ROC curve; for more than two classes the mean of one-against-rest; NaN where a class is absent."""
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    return float(np.mean([rank_auc(truth == k, probabilities[:, k]) for k in columns]))


def rank_auc(positive: npt.NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve from ranks (Mann-Whitney), ties counted half; NaN if one side is empty."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def decide(probabilities: Floats, threshold: float | None) -> Classes:
    """Class index per row: by threshold on the last class, or the likeliest where there is none."""
    if threshold is None:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    return np.asarray(probabilities[:, -1] >= threshold, dtype=np.int64)


def balanced_accuracy(truth: Classes, decision: Classes) -> float:
    """Mean recall over the classes that occur."""
    return float(np.mean([(decision[truth == k] == k).mean() for k in np.unique(truth)]))


def measure(truth: Classes, probabilities: Floats, threshold: float | None) -> dict[str, float]:
    """All figures of one set of rows.

    Args:
        truth: Class indices, shape (rows,).
        probabilities: Shape (rows, classes), rows add up to 1.
        threshold: Smallest probability of the last class that counts as it; None takes the likeliest class.

    Returns:
        Metric name to value; `log_loss_skill` is 1 - loss / loss of the rows' own class shares, `majority` the
        accuracy of always answering the most frequent class.
    """
    decision = decide(probabilities, threshold)
    loss = float(row_log_loss(truth, probabilities).mean())
    shares = np.bincount(truth, minlength=probabilities.shape[1]) / len(truth)
    entropy = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    figures = {
        "roc_auc": roc_auc(truth, probabilities),
        "log_loss": loss,
        "log_loss_skill": 1 - loss / entropy if entropy > 0 else math.nan,
        "brier": brier(truth, probabilities),
        "accuracy": float((decision == truth).mean()),
        "balanced_accuracy": balanced_accuracy(truth, decision),
        "majority": float(shares.max()),
    }
    if probabilities.shape[1] == 2:
        figures["sensitivity"] = float((decision[truth == 1] == 1).mean()) if shares[1] > 0 else math.nan
        figures["specificity"] = float((decision[truth == 0] == 0).mean()) if shares[0] > 0 else math.nan
    return figures


def bootstrap_intervals(
    truth: Classes,
    probabilities: Floats,
    measured: Callable[[Classes, Floats], dict[str, float]],
    resamples: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of figures over rows drawn with replacement (Efron 1979); NaN draws are left out."""
    draw = np.random.default_rng(seed)
    samples = (draw.integers(0, len(truth), len(truth)) for _ in range(resamples))
    found = [measured(truth[rows], probabilities[rows]) for rows in samples]
    names = dict.fromkeys(name for figures in found for name in figures)
    return {name: _percentiles([figures.get(name, math.nan) for figures in found]) for name in names}


def bootstrap_means(columns: Sequence[Floats], resamples: int, seed: int) -> Floats:
    """Means of columns over the same rows drawn with replacement (Efron and Tibshirani 1993, ch. 13).

    Args:
        columns: Values of each row, (rows,) each.
        resamples: How often as many rows are drawn as there are.
        seed: Of the draws.

    Returns:
        Shape (columns, resamples). Drawn in blocks, which changes no number: a million rows need no more memory.
    """
    draw, rows = np.random.default_rng(seed), len(columns[0])
    block = max(1, BLOCK // rows)
    found = []
    for start in range(0, resamples, block):
        drawn = draw.integers(0, rows, (min(block, resamples - start), rows))
        found.append([column[drawn].mean(axis=1) for column in columns])
    return np.concatenate(found, axis=1)


def _percentiles(values: list[float]) -> tuple[float, float]:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return math.nan, math.nan
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)
