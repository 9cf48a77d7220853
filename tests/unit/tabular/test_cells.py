"""One cell at a time: what is missing, what a value is, what is allowed."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular.cells import allowed, is_allowed, is_missing, is_missing_code, missing_signs, parse_cell, plain
from tabular.columns import Feature
from tabular.reading import typed
from tabular.tensors import to_classes, to_tensor
from tests.unit.tabular.conftest import make_contract

NUMBER = Feature(type="number")
INTEGER = Feature(type="integer")
BOOLEAN = Feature(type="boolean")
CODES = Feature(type="category", values=[3, 6, 7])
WORDS = Feature(type="category", values=["red", "white"])


@pytest.mark.parametrize(
    ("cell", "feature", "value"),
    [
        pytest.param(" 1.5 ", NUMBER, 1.5, id="number, spaces around it"),
        pytest.param("1e3", NUMBER, 1000.0, id="number, exponent"),
        pytest.param("-0.0", NUMBER, 0.0, id="negative zero"),
        pytest.param("twelve", NUMBER, None, id="a word"),
        pytest.param("1,5", NUMBER, None, id="a decimal comma"),
        pytest.param("1_000", NUMBER, None, id="an underscore"),
        pytest.param("inf", NUMBER, None, id="infinity"),
        pytest.param("nan", NUMBER, None, id="not a number"),
        pytest.param("1e39", NUMBER, None, id="more than a float32 holds"),
        pytest.param("3.0", INTEGER, 3, id="whole number written as a float"),
        pytest.param("3.5", INTEGER, None, id="half a whole number"),
        pytest.param("99999999999999999999", INTEGER, None, id="a whole number of twenty digits"),
        pytest.param("9007199254740992", INTEGER, 2**53, id="the largest whole number"),
        pytest.param("Yes", BOOLEAN, True, id="yes"),
        pytest.param("0.0", BOOLEAN, False, id="zero"),
        pytest.param(np.True_, BOOLEAN, True, id="a boolean of numpy"),
        pytest.param("maybe", BOOLEAN, None, id="neither true nor false"),
        pytest.param("3.0", CODES, 3, id="code written as a float"),
        pytest.param("5", CODES, 5, id="a code out of the list is judged elsewhere"),
        pytest.param("three", CODES, None, id="a word for a code"),
        pytest.param(" red", WORDS, "red", id="word"),
        pytest.param("1", WORDS, "1", id="a number among words"),
    ],
)
def test_parse_cell(cell: object, feature: Feature, value: object) -> None:
    found = parse_cell(cell, feature)
    assert found == value
    assert type(found) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_written_number_is_read_back(number: float) -> None:
    assert parse_cell(repr(number), NUMBER) == number


@given(st.integers(-(2**53), 2**53))
def test_a_written_whole_number_is_read_back(number: int) -> None:
    assert parse_cell(str(number), INTEGER) == number
    assert parse_cell(f"{number}.0", CODES) == number


@given(st.text("0123456789eE+-._ infatrue", max_size=12), st.sampled_from([NUMBER, INTEGER, BOOLEAN, CODES, WORDS]))
def test_any_text_is_a_value_of_its_type_or_none(text: str, feature: Feature) -> None:
    value = parse_cell(text, feature)
    if isinstance(value, float):
        assert math.isfinite(np.float32(value))
    if isinstance(value, int):
        assert abs(value) <= 2**53


@pytest.mark.parametrize(
    ("cell", "missing"),
    [
        (None, True), (pd.NA, True), (math.nan, True), ("?", True), (" ? ", True), ("", True),
        ("0", False), ("nan", False), (0, False), (False, False), ("99", True), ("99.0", False), ("1", False),
        (99, True), (99.0, True), (Decimal("99.0"), True), (9.9, False), (True, False),
    ],
)  # fmt: skip
def test_signs_for_missing(cell: object, missing: bool) -> None:
    """A number has no spelling: in a column of numbers 99 and 99.0 are the same sign."""
    assert is_missing(cell, missing_signs(["?", "", "99", "1.0"])) is missing


@pytest.mark.parametrize(
    ("cell", "missing"),
    [("0", True), ("0.0", True), (0, True), ("-9", True), ("00", True), ("none", True), ("9", False), ("", False)],
)
def test_codes_for_not_measured(cell: object, missing: bool) -> None:
    assert is_missing_code(cell, Feature(type="number", missing=[0, -9, "none"])) is missing
    assert not is_missing_code(cell, NUMBER)


def test_codes_of_many_digits_are_told_apart() -> None:
    feature = Feature(type="number", missing=[9999999])
    assert [is_missing_code(cell, feature) for cell in ("9999999", "9999998", "10000000")] == [True, False, False]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0, "0"), ("0.0", "0"), (True, "1"), (" b ", "b"), (1234567, "1234567"), (0.1, "0.1")],
)
def test_plain(value: object, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (NUMBER, "a number"),
        (Feature(type="number", minimum=0), "a number from 0"),
        (Feature(type="number", maximum=1234567), "a number up to 1234567"),
        (Feature(type="integer", minimum=-1, maximum=2.5), "a whole number from -1 to 2.5"),
        (INTEGER, "a whole number"),
        (BOOLEAN, "true or false"),
        (CODES, "one of 3, 6, 7"),
    ],
)
def test_allowed_in_words(feature: Feature, words: str) -> None:
    assert allowed(feature) == words


@pytest.mark.parametrize(
    ("value", "feature", "fits"),
    [
        (3, CODES, True), (4, CODES, False), ("red", WORDS, True), ("blue", WORDS, False), (True, BOOLEAN, True),
        (5.0, Feature(type="number", minimum=5, maximum=6), True),
        (4.9, Feature(type="number", minimum=5, maximum=6), False),
        (6.1, Feature(type="number", minimum=5, maximum=6), False),
        ("red", NUMBER, False),
    ],
)  # fmt: skip
def test_is_allowed(value: Any, feature: Feature, fits: bool) -> None:
    assert is_allowed(value, feature) is fits


rows = st.lists(
    st.fixed_dictionaries(
        {
            "weight": st.none() | st.floats(0.5, 90, width=32),
            "litter": st.none() | st.integers(1, 12),
            "indoor": st.none() | st.booleans(),
            "coat": st.none() | st.sampled_from([1, 2]),
            "colour": st.none() | st.sampled_from(["black", "white", "red"]),
            "kind": st.sampled_from(["c", "d"]),
        }
    ),
    min_size=1,
    max_size=8,
)


@given(rows)
def test_rows_survive_the_way_into_the_tensor(written: list[dict[str, Any]]) -> None:
    """Whatever is written as text comes out of the tensor as it went in."""
    contract = make_contract()
    raw = pd.DataFrame([{k: "" if v is None else str(v) for k, v in row.items()} for row in written], dtype=object)
    table = typed(contract, raw)
    assert table.unreadable == []
    tensor = to_tensor(contract, table.rows)
    assert tensor.dtype == np.float32
    features = contract.features
    back = [
        {
            name: None if np.isnan(cell) else feature.codes[int(cell)] if feature.codes else float(cell)
            for (name, feature), cell in zip(features.items(), line, strict=True)
        }
        for line in tensor
    ]
    assert back == [{name: row[name] for name in features} for row in written]
    assert to_classes(contract, table.rows).tolist() == [int(row["kind"] == "c") for row in written]


def test_an_unknown_code_is_missing_in_the_tensor() -> None:
    contract = make_contract()
    rows = typed(contract, pd.DataFrame([{"coat": "9", "colour": "green", "weight": "0"}], dtype=object)).rows
    assert np.isnan(to_tensor(contract, rows)).all()
