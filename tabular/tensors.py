"""Rows as the arrays that models take."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.contract import Contract


def to_tensor(contract: Contract, rows: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Rows as the model's input.

    Args:
        contract: Gives the columns, their order and codes.
        rows: Typed rows as in `Table.rows`; other columns are left aside.

    Returns:
        float32, shape (rows, features): booleans 0 or 1, categories the index of their code, missing NaN. A
        code that the contract does not know is NaN too; validation refuses it before a model is trained on it.
    """
    tensor = np.full((len(rows), len(contract.features)), np.nan, dtype=np.float32)
    for index, (name, feature) in enumerate(contract.features.items()):
        column = rows[name]
        if feature.codes:
            column = column.map({code: float(i) for i, code in enumerate(feature.codes)})
        tensor[:, index] = column.astype("Float64").to_numpy(dtype=np.float32, na_value=np.nan)
    return tensor


def to_classes(contract: Contract, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The target as class indices, shape (rows,), in the order of `Target.labels`."""
    order = {label: index for index, label in enumerate(contract.target.labels)}
    return np.asarray(rows[contract.target.column].map(order), dtype=np.int64)
