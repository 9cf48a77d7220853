"""Evaluate a bundle: on held-out rows, by segment, and at hospitals it never saw."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.bundle import Bundle
from tabular.contract import Contract, served_contract
from tabular.export import predict
from tabular.metrics import DIGITS, Classes, Floats, bootstrap_interval, brier, measure, roc_auc, rounded, row_log_loss
from tabular.tensors import to_classes, to_tensor


@dataclass(frozen=True, slots=True)
class ChampionLoss:
    """The champion's log loss per held-out row; None where there is no champion that knows these columns."""

    per_row: list[float] | None


RESAMPLES = 300
SMALLEST_SEGMENT = 10
"""Rows below which a segment's figures say more about luck than about the model."""


def evaluate(contract: Contract, onnx: bytes, threshold: float | None, rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Figures on one set of rows, with 95 % bootstrap intervals for AUC and Brier.

    Returns:
        `rows`, `shares` (class label to share), `metrics`, `intervals`; JSON-ready, NaN as None.
    """
    truth, probabilities = to_classes(contract, rows), predict(onnx, to_tensor(contract, rows))
    shares = np.bincount(truth, minlength=probabilities.shape[1]) / len(truth)
    return {
        "rows": len(rows),
        "shares": {label: rounded(share) for label, share in zip(contract.target.labels, shares, strict=True)},
        "metrics": _clean(measure(truth, probabilities, threshold)),
        "intervals": {
            "roc_auc": _interval(truth, probabilities, roc_auc, seed),
            "brier": _interval(truth, probabilities, brier, seed),
        },
    }


def evaluate_segments(
    contract: Contract, onnx: bytes, threshold: float | None, rows: pd.DataFrame
) -> dict[str, dict[str, Any]]:
    """Figures per segment of the contract, e.g. `sex: male`; segments too small or of one class say only their size."""
    found: dict[str, dict[str, Any]] = {}
    for name, segment in contract.segments.items():
        for label, members in _segment_rows(contract, segment.feature, segment.edges, rows).items():
            part = rows[members]
            figures: dict[str, Any] = {"rows": len(part)}
            if len(part) >= SMALLEST_SEGMENT and part[contract.target.column].nunique() > 1:
                truth = to_classes(contract, part)
                figures["metrics"] = _clean(measure(truth, predict(onnx, to_tensor(contract, part)), threshold))
            found[f"{name}: {label}"] = figures
    return found


def losses(contract: Contract, onnx: bytes, rows: pd.DataFrame) -> Floats:
    """Log loss of each row, (rows,), rounded as it is stored: what the champion gate compares.

    A champion's losses come from the store; unrounded ones beside them would make the same model differ from itself.
    """
    return row_log_loss(to_classes(contract, rows), predict(onnx, to_tensor(contract, rows))).round(DIGITS)


def champion_loss(contract: Contract, champion: Bundle | None, rows: pd.DataFrame) -> ChampionLoss:
    """The champion on the same rows; a champion of other columns or classes can not be compared and counts as none."""
    if champion is None or _inputs(champion.json("contract.json")) != _inputs(served_contract(contract)):
        return ChampionLoss(None)
    return ChampionLoss(losses(contract, champion.content["model.onnx"], rows).tolist())


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


def _inputs(served: Mapping[str, Any]) -> object:
    return served["classes"], [(f["name"], f["type"], f["codes"]) for f in served["features"]]


def _shuffled(features: npt.NDArray[np.float32], column: int, draw: np.random.Generator) -> npt.NDArray[np.float32]:
    copy = features.copy()
    copy[:, column] = draw.permutation(copy[:, column])
    return copy


def _segment_rows(contract: Contract, feature: str, edges: list[float], rows: pd.DataFrame) -> Mapping[str, pd.Series]:
    column, spec = rows[feature], contract.features[feature]
    if not edges:
        if spec.codes:
            return {label: (column == code).fillna(False) for code, label in zip(spec.codes, spec.labels, strict=True)}
        return {str(value): (column == value).fillna(False) for value in sorted(column.dropna().unique())}
    bounds = [-np.inf, *edges, np.inf]
    return {
        (f"below {high:g}" if low == -np.inf else f"{low:g} and above" if high == np.inf else f"{low:g} to {high:g}"): (
            (column >= low) & (column < high)
        )
        for low, high in itertools.pairwise(bounds)
    }


def _interval(truth: Classes, probabilities: Floats, metric: Any, seed: int) -> list[float | None]:
    return [_number(v) for v in bootstrap_interval(truth, probabilities, metric, RESAMPLES, seed)]


def _clean(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _number(value) for name, value in figures.items()}


def _number(value: float) -> float | None:
    return rounded(value) if np.isfinite(value) else None
