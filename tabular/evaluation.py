"""Evaluate a bundle: on held-out rows, by segment, and at hospitals it never saw."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.conformal import coverage
from tabular.contract import Contract
from tabular.export import predict
from tabular.metrics import DIGITS, Classes, Floats, bootstrap_intervals, measure, rounded, row_log_loss
from tabular.reliability import average_precision, calibration_line, decision_curve, net_benefit
from tabular.tensors import to_classes, to_tensor

RESAMPLES = 300
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SMALLEST_SEGMENT = 10
"""Rows below which a segment's figures say more about luck than about the model."""


def evaluate(
    contract: Contract,
    onnx: bytes,
    threshold: float | None,
    rows: pd.DataFrame,
    seed: int,
    limits: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Figures on one set of rows, each with its 95 % bootstrap interval.

    Args:
        contract: Of the rows.
        onnx: The exported model.
        threshold: Of the decision, None for the likeliest class.
        rows: Typed rows with their target.
        seed: Of the resamples.
        limits: Of conformal sets by level; without them no coverage is measured.

    Returns:
        `rows`, `shares` (class label to share), `metrics`, `intervals`, for two classes `decision_curve` (net benefit
        by threshold with its interval) and with limits `conformal`; JSON-ready, NaN as None.
    """
    truth, probabilities = to_classes(contract, rows), predict(onnx, to_tensor(contract, rows))
    shares = np.bincount(truth, minlength=probabilities.shape[1]) / len(truth)
    return {
        "rows": len(rows),
        "shares": {label: rounded(share) for label, share in zip(contract.target.labels, shares, strict=True)},
        "metrics": _clean(figures(truth, probabilities, threshold)),
        "intervals": _intervals(truth, probabilities, lambda t, p: figures(t, p, threshold), seed),
        **({"decision_curve": _curve(truth, probabilities, seed)} if probabilities.shape[1] == 2 else {}),
        **({"conformal": coverage(truth, probabilities, limits)} if limits else {}),
    }


def figures(truth: Classes, probabilities: Floats, threshold: float | None) -> dict[str, float]:
    """All of `metrics.measure`, and how the probabilities of two classes can be taken at their word."""
    found = measure(truth, probabilities, threshold)
    columns = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    found["pr_auc"] = float(np.mean([average_precision(truth == k, probabilities[:, k]) for k in columns]))
    if probabilities.shape[1] == 2:
        found["calibration_slope"], found["calibration_intercept"] = calibration_line(truth == 1, probabilities[:, 1])
    return found


def evaluate_segments(
    contract: Contract, onnx: bytes, threshold: float | None, rows: pd.DataFrame, seed: int
) -> dict[str, dict[str, Any]]:
    """Figures per segment of the contract, e.g. `sex: male`; segments too small or of one class say only their size."""
    found: dict[str, dict[str, Any]] = {}
    for name, segment in contract.segments.items():
        for label, members in segment_rows(contract, segment.feature, segment.edges, rows).items():
            part = rows[members]
            seen: dict[str, Any] = {"rows": len(part)}
            if len(part) >= SMALLEST_SEGMENT and part[contract.target.column].nunique() > 1:
                seen = evaluate(contract, onnx, threshold, part, seed)
                seen.pop("decision_curve", None)  # of a tenth of the rows: noise
            found[f"{name}: {label}"] = seen
    return found


def losses(contract: Contract, onnx: bytes, rows: pd.DataFrame) -> Floats:
    """Log loss of each row, (rows,), rounded as it is stored: what the champion gate compares.

    A champion's losses come from the store; unrounded ones beside them would make the same model differ from itself.
    """
    return row_log_loss(to_classes(contract, rows), predict(onnx, to_tensor(contract, rows))).round(DIGITS)


def importance(contract: Contract, onnx: bytes, rows: pd.DataFrame, seed: int) -> dict[str, float]:
    """Permutation importance per feature: rise of the mean log loss when its column is shuffled (Breiman 2001).

    Returns:
        Feature name to the mean over 5 shuffles, never below 0, largest first.
    """
    features, truth = to_tensor(contract, rows), to_classes(contract, rows)
    base = row_log_loss(truth, predict(onnx, features)).mean()
    draw = np.random.default_rng(seed)
    rises = {}
    for index, name in enumerate(contract.features):
        shuffled = np.concatenate([_shuffled(features, index, draw) for _ in range(5)])
        loss = row_log_loss(np.tile(truth, 5), predict(onnx, shuffled)).mean()
        rises[name] = rounded(max(0.0, float(loss - base)))
    return dict(sorted(rises.items(), key=lambda item: (-item[1], item[0])))


def _shuffled(features: npt.NDArray[np.float32], column: int, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    copy = features.copy()
    copy[:, column] = draw.permutation(copy[:, column])
    return copy


def segment_rows(contract: Contract, feature: str, edges: list[float], rows: pd.DataFrame) -> Mapping[str, pd.Series]:
    """Which rows belong to each part of a segment: a code, a value, or a range between two edges."""
    column, spec = rows[feature], contract.features[feature]
    if not edges:
        if spec.codes:
            return {label: (column == code).fillna(False) for code, label in zip(spec.codes, spec.labels, strict=True)}
        return {str(value): (column == value).fillna(False) for value in sorted(column.dropna().unique())}
    bounds = [-np.inf, *edges, np.inf]
    return {
        (f"below {high:g}" if low == -np.inf else f"{low:g} and above" if high == np.inf else f"{low:g} to {high:g}"): (
            ((column >= low) & (column < high)).fillna(False)
        )
        for low, high in itertools.pairwise(bounds)
    }


def _intervals(
    truth: Classes, probabilities: Floats, measured: Callable[[Classes, Floats], dict[str, float]], seed: int
) -> dict[str, list[float | None]]:
    found = bootstrap_intervals(truth, probabilities, measured, RESAMPLES, seed)
    return {name: [_number(low), _number(high)] for name, (low, high) in found.items()}


def _curve(truth: Classes, probabilities: Floats, seed: int) -> list[dict[str, Any]]:
    def benefits(of: Classes, said: Floats) -> dict[str, float]:
        return {f"{t}": net_benefit(of == 1, said[:, 1], t) for t in THRESHOLDS}

    intervals = _intervals(truth, probabilities, benefits, seed)
    return [
        {**{name: rounded(value) for name, value in point.items()}, "interval": intervals[f"{point['threshold']}"]}
        for point in decision_curve(truth == 1, probabilities[:, 1], THRESHOLDS)
    ]


def _clean(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None
