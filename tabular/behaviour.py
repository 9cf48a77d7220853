"""Behaviour of a model that no score shows: known directions, invariances and cases any sane model gets right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.contract import Contract
from tabular.expectations import Case, Direction, Invariance
from tabular.metrics import Floats, decide
from tabular.reading import typed
from tabular.tensors import to_tensor

Predict = Callable[[npt.NDArray[np.float32]], Floats]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one behaviour test saw."""

    name: str
    passed: bool
    reason: str


def observe(contract: Contract, predict: Predict, rows: pd.DataFrame, threshold: float | None) -> list[Observation]:
    """Run every behaviour test of the contract.

    Args:
        contract: States the tests.
        predict: The exported model: float32 (rows, features) to probabilities (rows, classes).
        rows: Typed rows to start from.
        threshold: Of the decision; None takes the likeliest class.

    Returns:
        One observation per test, in the order of the contract.
    """
    behaviour = contract.behaviour
    return [
        *(_direction(contract, predict, rows, test) for test in behaviour.directions),
        *(_invariance(contract, predict, rows, test) for test in behaviour.invariances),
        *(_case(contract, predict, test, threshold) for test in behaviour.cases),
    ]


def _direction(contract: Contract, predict: Predict, rows: pd.DataFrame, test: Direction) -> Observation:
    """Mean change of a class's probability, by default the positive one's, over the rows that can make the move."""
    feature = contract.features[test.feature]
    before = to_tensor(contract, rows)
    column = list(contract.features).index(test.feature)
    if test.step is not None:
        moved = before[:, column] + test.step
        low, high = feature.minimum, feature.maximum
        can_move = np.isfinite(moved) & (low is None or moved >= low) & (high is None or moved <= high)
        what = f"{test.feature} {test.step:+g}"
    else:
        start, end = (feature.codes.index(code) for code in (test.from_code, test.to_code) if code is not None)
        can_move = before[:, column] == start
        moved = np.full(len(before), end, dtype=np.float32)
        what = f"{test.feature} {test.from_code} to {test.to_code}"
    if not can_move.any():
        return Observation(what, passed=False, reason=f"{what}: no row can make this move")
    after = before.copy()
    after[:, column] = moved
    labels = contract.target.labels
    label = labels.index(test.label or labels[-1])
    change = float((predict(after[can_move]) - predict(before[can_move]))[:, label].mean())
    passed = change >= 0 if test.risk == "rises" else change <= 0
    wanted = "at least" if test.risk == "rises" else "at most"
    return Observation(what, passed, f"{what}: {test.label or 'risk'} {change:+.3f} on average, {wanted} 0")


def _invariance(contract: Contract, predict: Predict, rows: pd.DataFrame, test: Invariance) -> Observation:
    """Largest change of any probability when the feature moves by `within`, up or down."""
    before = to_tensor(contract, rows)
    column = list(contract.features).index(test.feature)
    base, largest = predict(before), 0.0
    for sign in (-1, 1):
        after = before.copy()
        after[:, column] += sign * test.within
        largest = max(largest, float(np.abs(predict(after) - base).max()))
    what = f"{test.feature} ±{test.within:g}"
    return Observation(what, largest <= test.tolerance, f"{what}: moves by {largest:.3f}, at most {test.tolerance:g}")


def _case(contract: Contract, predict: Predict, test: Case, threshold: float | None) -> Observation:
    row = typed(contract, pd.DataFrame([test.row], dtype=object)).rows
    probabilities = predict(to_tensor(contract, row))
    decision = int(decide(probabilities, threshold)[0])
    label = contract.target.labels[decision]
    said = f"{label} with {probabilities[0, decision]:.2f}"
    return Observation(test.name, label == test.label, f"{test.name}: {said}, expected {test.label}")
