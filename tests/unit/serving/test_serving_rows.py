"""Rows: the fast reader, the careful reader and training see the same numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bundle import Model
from serving.columns import Column
from serving.matrix import check_matrix
from serving.openapi_rows import column_schema
from serving.problems import Problem
from serving.rows import FEW, MAX_ROWS, RowReader
from tabular.contract import load_contract
from tabular.reading import read_site
from tabular.tensors import to_tensor
from tests.serving_bundle import ROW


def plain(rows: Any) -> list[list[float | None]]:
    """Rows with one sign for "missing"."""
    return [[None if v is None or math.isnan(v) else float(v) for v in row] for row in rows]


@pytest.mark.parametrize("site", ["cleveland", "hungarian", "switzerland", "va"])
def test_every_patient_becomes_the_tensor_that_training_sees(heart: Model, site: str) -> None:
    contract = load_contract("heart_disease")
    rows = read_site(contract, site).rows[list(contract.features)]
    # Not every value of the other hospitals lies in the contract's range; those rows are refused, as they should be.
    expected = to_tensor(contract, rows)
    low = np.array([c.low for c in heart.rows.columns])
    high = np.array([math.inf if c.codes else c.high for c in heart.rows.columns])
    fits = ~((expected < low) | (expected > high)).any(axis=1)
    sent = json.loads(rows[fits].to_json(orient="records"))
    found, many = heart.rows.read(json.dumps(sent).encode())
    assert many
    assert len(found) == fits.sum() > 0.9 * len(rows)
    np.testing.assert_array_equal(np.array(found, dtype=np.float32), expected[fits])


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 300),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [0, 1, 0.0, 1.0, 63.0, -0.0, 1e39, "", "0", "red", " red ", "unknown", "none", -1, 99, 99.0, [], {}]
    ),
)


def outcome(read: Callable[[], Any]) -> Any:
    """The rows read, or why they are refused."""
    try:
        return plain(read())
    except Problem as problem:
        return problem.detail


def both(reader: RowReader, row: dict[str, Any]) -> tuple[Any, Any]:
    """What `read` (fast, then careful) and `check` (careful alone) make of a row."""
    fast = outcome(lambda: reader.read(json.dumps(row).encode())[0])
    return fast, outcome(lambda: reader.check([row], many=False))


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, VALUES)))
def test_both_readers_agree_on_heart_rows(heart: Model, changes: dict[str, Any]) -> None:
    fast, careful = both(heart.rows, {**ROW, **changes})
    assert fast == careful


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["stem length", "petals", "colour", "wild", "petal"], VALUES)))
def test_both_readers_agree_on_strings_and_missing_codes(flowers: Model, row: dict[str, Any]) -> None:
    fast, careful = both(flowers.rows, row)
    assert fast == careful


def of_many(reader: RowReader, row: dict[str, Any], others: dict[str, Any]) -> tuple[Any, Any]:
    """As `both`, the row being the first of many; numbers as the model gets them."""
    rows = [row, *[others] * FEW]

    def tensor(read: Callable[[], Any]) -> Any:
        return outcome(lambda: np.array(read(), dtype=np.float32).tolist())

    return tensor(lambda: reader.read(json.dumps(rows).encode())[0]), tensor(lambda: reader.check(rows))


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, VALUES)))
def test_a_row_among_many_is_judged_as_it_is_alone(heart: Model, changes: dict[str, Any]) -> None:
    fast, careful = of_many(heart.rows, {**ROW, **changes}, {name: ROW[name] for name in ("age", "sex", "cp")})
    assert fast == careful


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["stem length", "petals", "colour", "wild"], VALUES)))
def test_strings_and_missing_codes_among_many(flowers: Model, row: dict[str, Any]) -> None:
    fast, careful = of_many(flowers.rows, row, {"petals": 99, "colour": "none", "wild": True, "stem length": -1})
    assert fast == careful


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, VALUES)))
def test_lists_are_judged_as_objects_are(heart: Model, changes: dict[str, Any]) -> None:
    row = {**ROW, **changes}
    table = outcome(lambda: heart.rows.check_table(list(row), [list(row.values())]))
    assert table == outcome(lambda: heart.rows.check([row]))


@settings(deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(["stem length", "petals", "colour", "wild"], VALUES)))
def test_lists_with_strings_and_missing_codes_are_judged_as_objects_are(flowers: Model, row: dict[str, Any]) -> None:
    table = outcome(lambda: flowers.rows.check_table(list(row), [list(row.values())]))
    assert table == outcome(lambda: flowers.rows.check([row]))


def test_the_strict_reader_of_lists_takes_what_clients_of_tensors_send(heart: Model) -> None:
    sent = [float(value) for value in ROW.values()]
    assert plain(heart.rows.strict([sent, [*sent[:11], None, None]])) == [
        *plain(heart.rows.check([ROW])),
        *plain(heart.rows.check([{**ROW, "ca": None, "thal": None}])),
    ]


NUMBERS = st.one_of(st.just(math.nan), st.integers(-1, 7).map(float), st.floats(-10, 300), st.floats())


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=13, max_size=13), st.sets(st.integers(0, 12), max_size=3))
def test_few_rows_of_a_matrix_are_judged_as_many_are(heart: Model, values: list[float], changed: set[int]) -> None:
    row = [values[index] if index in changed else float(value) for index, value in enumerate(ROW.values())]
    few = outcome(lambda: check_matrix(heart.rows, np.array([row])))
    many = outcome(lambda: check_matrix(heart.rows, np.array([row] * (FEW + 1))))
    if isinstance(few, list):
        assert many == few * (FEW + 1)
    else:
        assert many.partition(" (and ")[0] == few.partition(" (and ")[0]


@pytest.mark.parametrize(
    ("change", "column", "number"),
    [
        pytest.param({"age": 63}, 0, 63.0, id="whole number for a number"),
        pytest.param({"cp": 4}, 2, 3.0, id="category as the index of its code"),
        pytest.param({"cp": 4.0}, 2, 3.0, id="category written with a decimal"),
        pytest.param({"sex": True}, 1, 1.0, id="true for a category of 0 and 1"),
        pytest.param({"fbs": 0}, 5, 0.0, id="0 for false"),
        pytest.param({"fbs": 1.0}, 5, 1.0, id="1.0 for true"),
        pytest.param({"ca": 2.0}, 11, 2.0, id="integer written with a decimal"),
        pytest.param({"chol": 0}, 4, None, id="code for not measured, outside the range"),
        pytest.param({"chol": None}, 4, None, id="null"),
        pytest.param({"thal": None}, 12, None, id="null category"),
    ],
)
def test_accepted(heart: Model, change: dict[str, Any], column: int, number: float | None) -> None:
    rows, many = heart.rows.read(json.dumps({**ROW, **change}).encode())
    assert (plain(rows)[0][column], many) == (number, False)


def test_a_nullable_field_may_be_left_out(heart: Model) -> None:
    rows, _ = heart.rows.read(b'{"age": 50, "sex": 0}')
    assert plain(rows) == [[50.0, 0.0, *[None] * 11]]


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        pytest.param({"colour": "unknown", "wild": True}, [None, None, None, 1.0], id="code for not measured"),
        pytest.param({"petals": 99, "wild": 0}, [None, None, None, 0.0], id="integer code for not measured"),
        pytest.param({"stem length": "none", "wild": False}, [None, None, None, 0.0], id="string code of a number"),
        pytest.param({"stem length": -1.0, "wild": False}, [None, None, None, 0.0], id="code inside the range"),
        pytest.param({"colour": " white", "petals": 40, "wild": 1}, [None, 40.0, 1.0, 1.0], id="spaces"),
    ],
)
def test_codes_for_missing(flowers: Model, row: dict[str, Any], numbers: list[float | None]) -> None:
    assert plain(flowers.rows.read(json.dumps(row).encode())[0]) == [numbers]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({**ROW, "age": 200}, "age is 200; allowed: a number from 0 to 120", id="above"),
        pytest.param({**ROW, "chol": 30}, "chol is 30; allowed: a number from 60 to 700, or null", id="below"),
        pytest.param({**ROW, "age": None}, "age is null; allowed: a number from 0 to 120", id="null not allowed"),
        pytest.param({**ROW, "age": "63"}, 'age is "63"; allowed: a number from 0 to 120', id="string for a number"),
        pytest.param({**ROW, "age": True}, "age is true; allowed: a number from 0 to 120", id="boolean for a number"),
        pytest.param({**ROW, "ca": 1.5}, "ca is 1.5; allowed: a whole number from 0 to 3, or null", id="not whole"),
        pytest.param({**ROW, "fbs": 2}, "fbs is 2; allowed: true or false, or null", id="2 for a boolean"),
        pytest.param({**ROW, "sex": 2}, "sex is 2; allowed: one of 0 (female), 1 (male)", id="unknown category"),
        pytest.param({**ROW, "age": [63]}, "age is a list; allowed: a number from 0 to 120", id="a list"),
        pytest.param({**ROW, "age": math.nan}, "age is NaN; allowed: a number from 0 to 120", id="NaN"),
        pytest.param({**ROW, "age": -math.inf}, "age is -Infinity; allowed: a number from 0 to 120", id="infinity"),
        pytest.param(
            {**ROW, "age": 10**400}, "age is an integer beyond 2^53; allowed: a number from 0 to 120", id="huge integer"
        ),
        pytest.param({k: v for k, v in ROW.items() if k != "sex"}, "sex is missing; allowed: one of 0", id="missing"),
        pytest.param({**ROW, "agee": 1}, "unknown field 'agee', did you mean 'age'?; allowed: age, sex", id="unknown"),
        pytest.param(
            [ROW, {**ROW, "age": -1}], "row 2: age is -1; allowed: a number from 0 to 120", id="row of a list"
        ),
        pytest.param([ROW, 5], "row 2: the row is 5; allowed: an object of field names", id="a number for a row"),
        pytest.param("text", 'the row is "text"; allowed: an object', id="a string for a row"),
        pytest.param([], "the list has no rows; send at least one", id="empty list"),
        pytest.param([{}] * (MAX_ROWS + 1), "the list has 10001 rows; at most 10000", id="too many rows"),
    ],
)
def test_refused(heart: Model, body: object, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        heart.rows.read(json.dumps(body).encode())
    assert caught.value.detail.startswith(detail)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(b"", "the body is empty", id="empty"),
        pytest.param(b" \n", "the body is empty", id="blank"),
        pytest.param(b'{"age": 63', "the body is not JSON: Expecting ',' delimiter at line 1, column 11", id="cut off"),
        pytest.param(b"age=63", "the body is not JSON: Expecting value at line 1, column 1", id="a form"),
        pytest.param(b'{"age": "\xff"}', "the body is not UTF-8: byte 9", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "the body is nested too deep", id="deep"),
        pytest.param(b'{"age":' * 100_000, "the body is nested too deep", id="deep objects"),
        pytest.param(
            b'{"age": ' + b"9" * 5000 + b"}", "the body is not JSON: a number has too many digits", id="digits"
        ),
    ],
)
def test_malformed(heart: Model, body: bytes, detail: str) -> None:
    with pytest.raises(Problem) as caught:
        heart.rows.read(body)
    assert (caught.value.status, caught.value.detail[: len(detail)]) == (400, detail)


def test_every_violation_is_listed(heart: Model) -> None:
    with pytest.raises(Problem) as caught:
        heart.rows.read(json.dumps([{"age": 300, "sex": 9}, {"age": 1, "sex": 1, "cp": 0}]).encode())
    assert [(v.row, v.field, v.value) for v in caught.value.violations] == [
        (1, "age", 300),
        (1, "sex", 9),
        (2, "cp", 0),
    ]
    assert caught.value.detail.endswith("(and 2 more)")


def test_a_byte_order_mark_is_no_fault(heart: Model) -> None:
    rows, _ = heart.rows.read(b"\xef\xbb\xbf" + json.dumps(ROW).encode())
    assert plain(rows)[0][:2] == [63.0, 1.0]


def parsed(**changes: Any) -> Column:
    """A column of numbers, changed."""
    limits: dict[str, Any] = {"minimum": None, "maximum": None, "codes": [], "labels": []}
    return Column.parse({"name": "x", "type": "number", **limits, "missing": [], "nullable": False, **changes})


def test_a_missing_code_in_quotes_is_the_number_too() -> None:
    """Training takes 999, 999.0 and "999" of a file for the same."""
    column = parsed(missing=["999", 5.0, "5", "none", "nan"], nullable=True)
    reader = RowReader([column])
    for missing in (999, "999", 5, "5", "none", None):
        assert plain(reader.read(json.dumps({"x": missing}).encode())[0]) == [[None]]
    assert reader.read(b'{"x": 998}')[0] == [[998.0]]
    with pytest.raises(Problem):
        reader.read(b'{"x": "998"}')
    schema = column_schema(column, {"description": "", "unit": ""})
    assert schema["x-missing"] == ["999", 5, "5", "none", "nan", 999]
    assert schema["description"].endswith(" 999, 5, none, nan also mean 'not measured'.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "a number"),
        ({"minimum": 1.0}, "a number from 1"),
        ({"maximum": 2.5}, "a number up to 2.5"),
        ({"minimum": 1.0, "maximum": 2.5, "type": "integer"}, "a whole number from 1 to 2.5"),
        ({"type": "boolean", "nullable": True}, "true or false, or null"),
        ({"type": "category", "codes": list(range(30)), "labels": list(map(str, range(30)))}, "one of 0, 1, 2"),
    ],
)
def test_allowed_in_words(changes: dict[str, Any], words: str) -> None:
    column = parsed(**changes)
    assert column.allowed().startswith(words)
    assert column.allowed().endswith(", …") == (len(column.codes) > 20)
