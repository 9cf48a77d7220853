"""What a missing field costs: the loss of the same rows with and without it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from tabular.contract import Contract
from tabular.export import predict
from tabular.metrics import Floats, bootstrap_means, roc_auc, rounded, row_log_loss
from tabular.tensors import to_classes, to_tensor

RESAMPLES = 1000
ALL = "all of them"


def ablation(contract: Contract, onnx: bytes, rows: pd.DataFrame, seed: int) -> dict[str, dict[str, Any]]:
    """How much worse the model gets where a field that may be missing is missing in every row.

    The model is not fitted again: this is what a caller pays who leaves the field out of the request.

    Args:
        contract: Says which fields may be missing.
        onnx: The model.
        rows: Held-out rows, with the target.
        seed: Of the bootstrap over rows (Efron and Tibshirani 1993, ch. 13; percentiles).

    Returns:
        Field to `log_loss` (its rise, nats a row), `interval` (95 %, of that) and `roc_auc` (its change; None where
        the rows have one class), the dearest first; then `all of them`. Empty where no field may be missing. Rows
        where the field is missing already count with a cost of none.
    """
    features, truth = to_tensor(contract, rows), to_classes(contract, rows)
    whole = predict(onnx, features)
    losses, auc = row_log_loss(truth, whole), roc_auc(truth, whole)
    optional = [index for index, feature in enumerate(contract.features.values()) if feature.nullable]
    if not optional:
        return {}
    names = list(contract.features)
    rises: list[Floats] = []
    found: dict[str, dict[str, Any]] = {}
    for name, columns in {**{names[index]: [index] for index in optional}, ALL: optional}.items():
        without = features.copy()
        without[:, columns] = np.nan
        probabilities = predict(onnx, without)
        rises.append(row_log_loss(truth, probabilities) - losses)
        found[name] = {
            "log_loss": rounded(rises[-1].mean()),
            "roc_auc": None if math.isnan(auc) else rounded(roc_auc(truth, probabilities) - auc),
        }
    for cost, means in zip(found.values(), bootstrap_means(rises, RESAMPLES, seed), strict=True):
        cost["interval"] = [rounded(value) for value in np.quantile(means, (0.025, 0.975))]
    return dict(sorted(found.items(), key=lambda item: (item[0] == ALL, -item[1]["log_loss"], item[0])))
