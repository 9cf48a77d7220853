"""How common the classes are at a site that says nothing of them, and what that makes of a probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular.metrics import SMALLEST, Classes, Floats, row_log_loss

ROUNDS, SETTLED = 1000, 1e-9
LEAST = 1e-6
"""Probability below which a scaling tells no difference: in ONNX they are rounded to 1e-7, and a logarithm shows it."""
FARTHEST = 4.0
"""Bound of a calibration's offsets and of its slope's logarithm."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Probabilities as `softmax(slope * log p + offset)`: calibration and a change of the prior in one."""

    slope: float
    offset: list[float]
    """One per class; the first is 0."""

    def apply(self, probabilities: Floats) -> Floats:
        """Scaled probabilities, (rows, classes)."""
        scores = self.slope * np.log(np.clip(probabilities, LEAST, 1)) + np.array(self.offset)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def towards(self, before: Floats, after: Floats) -> Scaling:
        """The same scaling for a site whose class shares are `after` where they were `before`, both (classes,)."""
        moved = np.array(self.offset) + np.log(np.clip(after, SMALLEST, 1)) - np.log(before)
        return Scaling(self.slope, [float(v) for v in moved - moved[0]])


def calibrate(truth: Classes, probabilities: Floats, weights: Floats) -> Scaling:
    """The scaling that fits out-of-fold probabilities best: a slope and an offset per class.

    Bias-corrected temperature scaling, without which the class shares of a site are estimated badly (Alexandari,
    Kundaje and Shrikumar 2020); for two classes it is Platt's (1999).

    Args:
        truth: Class indices, (rows,).
        probabilities: Out of fold, (rows, classes).
        weights: Of each row, (rows,).
    """
    from scipy.optimize import minimize

    def scaling(values: Floats) -> Scaling:
        return Scaling(float(np.exp(values[0])), [0.0, *map(float, values[1:])])

    def loss(values: Floats) -> float:
        return float(np.average(row_log_loss(truth, scaling(values).apply(probabilities)), weights=weights))

    start = np.zeros(probabilities.shape[1])
    return scaling(minimize(loss, start, method="L-BFGS-B", bounds=[(-FARTHEST, FARTHEST)] * len(start)).x)


def by_expectation(probabilities: Floats, prior: Floats) -> Floats:
    """Class shares of unlabelled rows by expectation maximisation (Saerens, Latinne and Decaestecker 2002).

    Args:
        probabilities: Calibrated where the class shares are `prior`, (rows, classes).
        prior: Those shares, (classes,).

    Returns:
        The shares under which the rows are likeliest, (classes,), if a class looks alike at both places.
    """
    shares = prior
    for _ in range(ROUNDS):
        joint = probabilities * (shares / prior)
        before, shares = shares, (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(shares - before).max() < SETTLED:
            break
    return np.asarray(shares)


def by_count(known: Classes, known_probabilities: Floats, weights: Floats, probabilities: Floats) -> Floats:
    """Class shares by the mean answer, corrected for the answers each class gets where it is known.

    The adjusted count of Forman (2008), with probabilities for answers (Lipton, Wang and Smola 2018); it assumes
    what `by_expectation` does and gets there by another way, so that the two disagree where the assumption fails.

    Args:
        known: Class indices of labelled rows, (rows,).
        known_probabilities: Their out-of-fold probabilities, (rows, classes).
        weights: Of those rows, (rows,).
        probabilities: Of the unlabelled rows, (others, classes).
    """
    from scipy.optimize import nnls

    classes = range(known_probabilities.shape[1])
    answers = np.column_stack(
        [np.average(known_probabilities[known == k], axis=0, weights=weights[known == k]) for k in classes]
    )
    shares, _ = nnls(answers, probabilities.mean(axis=0))
    return np.asarray(shares / shares.sum())
