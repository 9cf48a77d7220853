"""What the training rows cover: the range of each number and the codes that occur, against which a row may be new.

A number of a row like the training rows falls outside their range with a probability of at most 2 / (rows + 1): it is
as likely as any of theirs to be the smallest or the largest of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tabular.contract import Contract
from tabular.metrics import rounded

Covered = Mapping[str, Mapping[str, Any]]
"""Field to its `minimum` and `maximum`, or to its `codes`; a field never measured in training covers nothing."""


def covered(contract: Contract, train: pd.DataFrame) -> Covered:
    """What the training rows cover, field by field."""
    found: dict[str, dict[str, Any]] = {}
    for name, feature in contract.features.items():
        known = train[name].dropna()
        if not feature.is_number:
            codes = feature.codes or [False, True]
            found[name] = {"codes": [code for code in codes if (known == code).any()]}
        elif len(known):
            found[name] = {"minimum": float(known.min()), "maximum": float(known.max())}
        else:
            found[name] = {"codes": []}
    return found


def share_new(known: Covered, rows: pd.DataFrame) -> float:
    """Share of rows with a value that the training rows do not cover; what was not measured is not new."""
    new = np.zeros(len(rows), dtype=bool)
    for name, values in known.items():
        new |= _is_new(values, rows[name])
    return rounded(float(new.mean()))


def _is_new(known: Mapping[str, Any], column: pd.Series[Any]) -> npt.NDArray[np.bool_]:
    if "codes" in known:
        inside = column.isin(known["codes"])
    else:
        inside = column.between(known["minimum"], known["maximum"]).fillna(False)
    return np.asarray(column.notna() & ~inside.astype(bool))
