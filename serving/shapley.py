"""Interventional Shapley values of one row against a background sample: exact where time allows, else sampled.

The value of a set S of features is the mean, over the background rows b, of the model's output for the row that
has the explained row's values in S and b's elsewhere. The Shapley values are then the mean over b of those of
single-reference games, in which a feature that is equal in both rows gets 0: only the features that differ
need their 2^d sets evaluated, which is many times less than 2^features for each b.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

MOST_DIFFERING = 16
"""More differing features than this are never enumerated: 2^16 outputs of one background row fill a megabyte."""
CHUNK = 8192
"""Rows of one call of the model: enough to be fast, and the interpreter is free again within a millisecond."""
PRECISION = 1e-4
"""Sampling ends once every standard error is below this: a hundredth of a percentage point."""
MOST_ROUNDS = 2_000
SEED = 0

Floats: TypeAlias = npt.NDArray[np.float64]
Tensor: TypeAlias = npt.NDArray[np.float32]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Contributions of the features of one row, in the model's unit; with `baseline` they add up to its output."""

    baseline: float
    values: Floats
    standard_errors: Floats
    exact: bool
    evaluations: int


class Explainer:
    """Explains rows of one model.

    Args:
        infer: The model: class probabilities, shape (rows, classes), of a tensor of shape (rows, features).
        background: Rows that stand for "nothing is known of this feature", NaN for missing.
    """

    def __init__(self, infer: Callable[[Tensor], Tensor], background: Tensor) -> None:
        self.infer, self.background = infer, background
        self._outputs = infer(background).astype(np.float64)
        self._seconds_per_row = self._measure()

    def explain(self, row: Tensor, column: int, seconds: float) -> Attribution:
        """Attribute one output of one row to its features.

        Args:
            row: Shape (features,).
            column: The class whose probability is explained.
            seconds: How long it may take. Two rounds of sampling, of some 100 rows per feature, are always done.
        """
        differs = ~((self.background == row) | (np.isnan(self.background) & np.isnan(row)))
        counts = differs.sum(axis=1)
        evaluations = int((2.0**counts).sum()) if counts.max() <= MOST_DIFFERING else None
        baseline = float(self._outputs[:, column].mean())
        if evaluations is not None and evaluations * self._seconds_per_row <= seconds:
            return Attribution(baseline, self._exact(row, column, differs), np.zeros(len(row)), True, evaluations)
        values, errors, evaluations = self._sampled(row, column, seconds)
        return Attribution(baseline, values, errors, False, evaluations)

    def _exact(self, row: Tensor, column: int, differs: Flags) -> Floats:
        total = np.zeros(len(row))
        for reference, differing in zip(self.background, differs, strict=True):
            (where,) = np.nonzero(differing)
            subsets, weights = _game(len(where))
            mixed = np.tile(reference, (len(subsets), 1))
            mixed[:, where] = np.where(subsets, row[where], reference[where])
            total[where] += weights @ self._run(mixed, column)
        return total / len(self.background)

    def _sampled(self, row: Tensor, column: int, seconds: float) -> tuple[Floats, Floats, int]:
        """Permutation sampling, antithetic: each order of entry is also walked backwards (Mitchell et al. 2022).

        A round walks one order and its reverse from every background row, so the contributions of each round
        add up exactly, and the standard error is that of a mean over strata.
        """
        until, random = perf_counter() + seconds, np.random.default_rng(SEED)
        references, features = self.background.shape
        totals, squares = np.zeros((2, references, features))
        rounds, errors = 0, np.full(features, np.inf)
        while rounds < 2 or (rounds < MOST_ROUNDS and errors.max() > PRECISION and perf_counter() < until):
            # Shape (references, features): the place of each feature in the order of entry of each reference.
            places = random.permuted(np.tile(np.arange(features), (references, 1)), axis=1)
            found = (self._walk(row, column, places) + self._walk(row, column, features - 1 - places)) / 2
            totals += found
            squares += found**2
            rounds += 1
            if rounds >= 2:
                variances = np.maximum(squares - totals**2 / rounds, 0) / (rounds - 1)
                errors = np.sqrt(variances.sum(axis=0) / rounds) / references
        return totals.mean(axis=0) / rounds, errors, rounds * 2 * references * (features + 1)

    def _walk(self, row: Tensor, column: int, places: npt.NDArray[np.int64]) -> Floats:
        """What each feature adds as it enters, for each background row in its own order."""
        references, features = places.shape
        entered = places[:, None, :] < np.arange(features + 1)[:, None]
        mixed = np.where(entered, row, self.background[:, None, :]).reshape(-1, features)
        steps = np.diff(self._run(mixed, column).reshape(references, features + 1), axis=1)
        return np.take_along_axis(steps, places, axis=1)

    def _run(self, rows: Tensor, column: int) -> Floats:
        parts = [self.infer(rows[start : start + CHUNK])[:, column] for start in range(0, len(rows), CHUNK)]
        return np.concatenate(parts).astype(np.float64)

    def _measure(self) -> float:
        """Seconds per evaluated row, of work like that of the exact sum."""
        rows = np.resize(self.background, (CHUNK // 4, self.background.shape[1]))
        self.infer(rows)  # the first call of a size is slower
        started = perf_counter()
        self.infer(np.where(rows > rows[0], rows, rows[0]))
        return (perf_counter() - started) / len(rows)


@lru_cache(maxsize=MOST_DIFFERING + 1)
def _game(players: int) -> tuple[Flags, Floats]:
    """All sets of so many players, and the weight of each set's value in each player's Shapley value.

    Returns:
        Membership, shape (2^players, players), and weights, shape (players, 2^players).
    """
    subsets = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1
    sizes = subsets.sum(axis=1)
    joined = np.array([0.0, *(1 / (players * comb(players - 1, size - 1)) for size in range(1, players + 1))])
    left = np.array([*(1 / (players * comb(players - 1, size)) for size in range(players)), 0.0])
    return subsets, np.where(subsets.T, joined[sizes], -left[sizes])
