"""A stored column read at once is what its cells are one by one, whatever its type."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.columns import Column
from tabular.batch_cells import CellReader
from tabular.reading import typed
from tests.unit.tabular.conftest import make_contract

NULLABLE: dict[str, Any] = {
    "nullable": True,
    "minimum": None,
    "maximum": None,
    "codes": [],
    "labels": [],
    "missing": [],
}
COLUMNS: dict[str, dict[str, Any]] = {
    "number": {"type": "number", "minimum": 0, "maximum": 90, "missing": [0, "none"]},
    "unbounded": {"type": "number"},
    "integer": {"type": "integer", "minimum": -3, "maximum": 12, "missing": [99]},
    "needed": {"type": "integer", "minimum": 0, "maximum": 5, "nullable": False},
    "quoted": {"type": "integer", "minimum": 0, "maximum": 120, "missing": ["99", "none"]},
    "boolean": {"type": "boolean"},
    "needed boolean": {"type": "boolean", "nullable": False},
    "codes": {"type": "category", "codes": [3, 6, 7], "labels": ["a", "b", "c"], "missing": [6]},
    "two codes": {"type": "category", "codes": [0, 1], "labels": ["a", "b"], "nullable": False},
    "far codes": {"type": "category", "codes": [1, 5000], "labels": ["a", "b"]},
    "quoted codes": {"type": "category", "codes": [3, 6, 7], "labels": ["a", "b", "c"], "missing": ["6"]},
    "texts": {"type": "category", "codes": ["red", "white"], "labels": ["red", "white"], "missing": ["unknown"]},
}
MISSING = ["", "?", "NaN", "12", "7.0"]
NUMBERS = [0, 1, 2, 3, 5, 6, 7, 12, 13, 90, 99, -1, -3, 2.5, 5000, 2.0**53, 1e39, float("inf"), float("nan"), None]
WHOLE = [0, 1, 3, 6, 7, 12, 99, -4, 5000, 2**53, 2**60, None]
TEXTS = ["red", " white ", "blue", "unknown", "", "?", "3", "2.5", "true", "no", "none", None]
ARRAYS = {
    "float64": pa.array(NUMBERS, pa.float64()),
    "float32": pa.array(NUMBERS, pa.float32()),
    "no nulls": pa.array([float(n) for n in NUMBERS if n is not None and not np.isnan(n)]),
    "int64": pa.array(WHOLE, pa.int64()),
    "int8": pa.array([0, 1, 3, 6, 7, 99, -4, None], pa.int8()),
    "uint64": pa.array([0, 1, 7, 2**63, None], pa.uint64()),
    "bool": pa.array([True, False, None]),
    "all bool": pa.array([True, False]),
    "string": pa.array(TEXTS),
    "large string": pa.array(TEXTS, pa.large_string()),
    "dictionary": pa.array(TEXTS).dictionary_encode(),
    "dictionary of numbers": pa.array([1, 3, 7, None, 1]).dictionary_encode(),
    "null": pa.nulls(3),
    "date": pa.array([dt.date(2026, 1, 2), None]),
    "decimal": pa.array([1, None]).cast(pa.decimal128(20, 1)),
    "empty": pa.array([], pa.float64()),
}


def reader(kind: str) -> CellReader:
    return CellReader(Column.parse({"name": kind, **NULLABLE, **COLUMNS[kind]}), MISSING)


@pytest.mark.parametrize("stored", ARRAYS)
@pytest.mark.parametrize("kind", COLUMNS)
def test_at_once_or_one_by_one(kind: str, stored: str) -> None:
    cells = ARRAYS[stored]
    numbers, bad = reader(kind).read(cells)
    expected, expected_bad = reader(kind).read(cells.to_pylist())
    assert bad == expected_bad
    np.testing.assert_array_equal(numbers, expected)


@given(cells=st.lists(st.one_of(st.none(), st.floats(-10, 100), st.integers(-10, 100).map(float)), max_size=30))
@pytest.mark.parametrize("kind", COLUMNS)
def test_any_numbers(kind: str, cells: list[float | None]) -> None:
    numbers, bad = reader(kind).read(pa.array(cells, pa.float64()))
    expected, expected_bad = reader(kind).read(cells)
    assert bad == expected_bad
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("stored", [*ARRAYS, "text"])
@pytest.mark.parametrize("kind", [kind for kind, column in COLUMNS.items() if column.get("nullable", True)])
def test_what_is_missing_is_what_training_takes_for_it(kind: str, stored: str) -> None:
    """What training can not read, and what a check would find, is rejected; as is a false where 0 means missing."""
    cells = (
        pa.array([*map(str, NUMBERS), *map(str, WHOLE), "12.0", "7", " 99 "]) if stored == "text" else ARRAYS[stored]
    )
    column = {"values" if name == "codes" else name: value for name, value in COLUMNS[kind].items() if name != "labels"}
    contract = make_contract(features={"x": column}, reading={"missing": MISSING}, segments={})
    table = typed(contract, pd.DataFrame({"x": cells.to_pandas()}))
    missing = set(np.flatnonzero(table.rows["x"].isna())) - {cell.row - 1 for cell in table.unreadable}
    for form in (cells, cells.to_pylist()):
        numbers, bad = reader(kind).read(form)
        assert set(np.flatnonzero(np.isnan(numbers))) - set(bad) == missing - set(bad)
    assert not missing & set(bad) or stored.endswith("bool")


def test_what_is_stored_is_not_written_to() -> None:
    cells = pa.array([0.0, 200.0, 5.0])
    reader("number").read(cells)
    assert cells.to_pylist() == [0.0, 200.0, 5.0]


def test_a_cell_that_does_not_fit_is_told_as_it_stands() -> None:
    cells = pa.array([5, 200])
    told = reader("number")
    assert told.read(cells)[1] == [1]
    assert told.reject(2, cells[1].as_py()).reason == "number is 200; allowed: a number from 0 to 90, or null"
