"""The champion on the rows that a challenger is measured on."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.bundle import Bundle
from tabular.contract import Contract, served_contract
from tabular.evaluation import losses
from tabular.metrics import Floats
from tabular.tensors import to_classes, to_tensor


@dataclass(frozen=True, slots=True)
class Champion:
    """The champion on held-out rows."""

    loss: Floats | None
    """Log loss of each row, (rows,); None where it was made from other columns or classes."""
    learnt: npt.NDArray[np.bool_]
    """Which of them it learnt from, (rows,): a split of more rows, or by another seed, deals all of them out anew."""


def champion_on(contract: Contract, champion: Bundle | None, rows: pd.DataFrame) -> Champion | None:
    """Measure the champion, if there is one, on the rows that its challenger is measured on."""
    if champion is None:
        return None
    if _inputs(champion.json("contract.json")) != _inputs(served_contract(contract)):
        return Champion(loss=None, learnt=np.zeros(len(rows), dtype=bool))
    reference = pd.read_parquet(io.BytesIO(champion.content["reference.parquet"]))
    names = [*contract.features, contract.target.column]
    known = reference.iloc[:, : len(names)].set_axis(names, axis=1)  # its target may have had another name
    learnt = {row.tobytes() for row in _values(contract, known)}
    return Champion(
        losses(contract, champion.content["model.onnx"], rows),
        np.array([row.tobytes() in learnt for row in _values(contract, rows)]),
    )


def _values(contract: Contract, rows: pd.DataFrame) -> Floats:
    """What a model learns from, (rows, features + 1): equal rows are equal bytes, NaN and 0 included."""
    values = np.column_stack([to_tensor(contract, rows), to_classes(contract, rows)])
    return np.where(np.isnan(values), np.nan, values + 0.0)  # 0.0 added to -0.0 is 0.0


def _inputs(served: Mapping[str, Any]) -> object:
    return served["classes"], [(f["name"], f["type"], f["codes"]) for f in served["features"]]
