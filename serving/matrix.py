"""Many rows at once: a matrix of numbers judged column by column, as `RowReader.check` judges it value by value."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.columns import INTEGER_MAX, Column
from serving.rows import FEW, MAX_ROWS, RowReader

Numbers = npt.NDArray[np.float64]


def check_matrix(reader: RowReader, matrix: Numbers) -> npt.NDArray[np.float32]:
    """Rows of numeric columns as the model's tensor.

    Args:
        reader: Of the contract; all of its columns must be numeric.
        matrix: Values as the contract has them, shape (rows, columns); NaN for what was not measured.

    Raises:
        Problem: There are none or too many rows, or a value does not fit; every such value is named.
    """
    if 0 < len(matrix) <= FEW:
        with suppress(ValueError, LookupError):
            listed = [[None if math.isnan(value) else value for value in row] for row in matrix.tolist()]
            return np.array(reader.strict(listed), dtype=np.float32)
    judged = [_judge(column, matrix[:, index]) for index, column in enumerate(reader.columns)]
    if 0 < len(matrix) <= MAX_ROWS and all(fits.all() for _, fits in judged):
        return np.stack([numbers for numbers, _ in judged], axis=1).astype(np.float32)
    rows = [dict(zip(reader.names, map(_plain, row), strict=True)) for row in matrix[: MAX_ROWS + 1].tolist()]
    return np.array(reader.check(rows), dtype=np.float32)


def _judge(column: Column, values: Numbers) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """The model's numbers of one column, and which of its values fit."""
    missing = np.isnan(values)
    for code in column.missing:
        if not isinstance(code, str):
            missing |= values == code
    if column.type in ("category", "boolean"):
        codes = np.array(column.codes if column.type == "category" else (0, 1), dtype=np.float64)
        order = np.argsort(codes)
        position = np.searchsorted(codes[order], values).clip(max=len(codes) - 1)
        numbers, fits = order[position].astype(np.float64), codes[order][position] == values
    else:
        numbers, fits = values, (values >= column.low) & (values <= column.high)
        if column.type == "integer":
            fits &= (values == np.trunc(values)) & (np.abs(values) <= INTEGER_MAX)
    return np.where(missing, np.nan, numbers), np.where(missing, column.nullable, fits)


def _plain(value: float) -> Any:
    """As JSON would have it, for the words of a refusal."""
    if value != value:  # noqa: PLR0124  NaN
        return None
    return int(value) if abs(value) <= INTEGER_MAX and value == int(value) else value
