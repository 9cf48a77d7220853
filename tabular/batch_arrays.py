"""A stored column as the model's numbers, all cells at once.

What is found here is what `serving.columns.Column` says of each cell by itself, and only that: cells that need a
closer look, such as one outside the range, are left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from serving.columns import INTEGER_MAX, Column

if TYPE_CHECKING:
    import pyarrow as pa

WIDEST = 1000
"""Codes from the least to the greatest that are looked up in a table."""
Found = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
"""Numbers of the cells, missing ones NaN; and which of them are sure."""
Number = Callable[[object], float | None]
"""One cell's number: NaN if it is missing, None if it does not fit."""


def read_array(column: Column, cells: pa.Array, codes: npt.NDArray[np.float64], number: Number) -> Found | None:
    """Read a column; None where its type is none that can be read at once.

    Args:
        column: The feature as the bundle's contract has it.
        cells: Of a Parquet file.
        codes: Numbers that may stand for "missing".
        number: Reads one cell.
    """
    import pyarrow as pa

    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return _texts(cells if pa.types.is_dictionary(kind) else cells.dictionary_encode(), number)
    is_number = column.type in ("number", "integer")
    if pa.types.is_boolean(kind) and not is_number:
        cells = cells.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)):
        return None
    values = cells.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)  # a null is NaN
    if is_number:
        found: Found | None = values, in_range(column, values, codes)
    else:
        found = _coded(column, values, number, bool if pa.types.is_boolean(kind) else float)
    if found is not None and column.nullable:
        found = found[0], found[1] | np.isnan(values)
    return found


def in_range(column: Column, values: npt.NDArray[np.float64], codes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which numbers are surely values of the column: within its range, and none of the codes for "missing"."""
    sure = (values >= column.low) & (values <= column.high) & ~np.isin(values, codes)
    if column.type == "integer":
        sure &= (values == np.floor(values)) & (np.abs(values) <= INTEGER_MAX)
    return sure


def _coded(column: Column, values: npt.NDArray[np.float64], number: Number, kind: type[float | bool]) -> Found | None:
    """Categories of numbers and booleans, by a table from the least code to the greatest."""
    codes: Sequence[int | str] = (0, 1) if column.type == "boolean" else column.codes
    numeric = [code for code in codes if not isinstance(code, str)]
    if not numeric or max(numeric) - min(numeric) > WIDEST:
        return None
    least = min(numeric)
    table, fits = _table([number(kind(code)) for code in range(least, max(numeric) + 1)])
    places = values - least
    sure = (places >= 0) & (places < len(table)) & (places == np.floor(places))
    indices = np.where(sure, places, 0).astype(np.intp)
    numbers = table[indices]
    numbers[~sure] = np.nan
    return numbers, sure & fits[indices]


def _texts(cells: pa.DictionaryArray, number: Number) -> Found:
    """Texts, or whatever a file holds as a dictionary: each different value is read once."""
    table, fits = _table([*map(number, cells.dictionary.to_pylist()), number(None)])
    indices = cells.indices.fill_null(len(table) - 1).to_numpy()
    return table[indices], fits[indices]


def _table(numbers: Sequence[float | None]) -> Found:
    return np.array([np.nan if n is None else n for n in numbers]), np.array([n is not None for n in numbers])
