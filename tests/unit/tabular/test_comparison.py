"""What differs between two tables, and what only looks different."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tabular.comparison import compare

FIRST = pd.DataFrame({"id": ["1234567", "2", "3", None], "kind": ["a", "a", "b", "b"]})


def changed(**columns: Any) -> pd.DataFrame:
    return FIRST.assign(**columns)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(FIRST, id="itself"),
        pytest.param(FIRST.iloc[::-1], id="rows in another order"),
        pytest.param(FIRST[["kind", "id"]], id="columns in another order"),
        pytest.param(changed(id=[1234567.0, 2.0, 3.0, None]), id="numbers as such"),
        pytest.param(changed(id=["1234567.0", " 2", "3", None]), id="another spelling"),
    ],
)
def test_the_same_rows(second: pd.DataFrame) -> None:
    found = compare(FIRST, second)
    assert (found.same, found.rows_gone, found.rows_new, found.columns) == (True, 0, 0, [])


@pytest.mark.parametrize(
    ("second", "gone", "new", "what"),
    [
        pytest.param(
            changed(id=["1234568", "2", "3", None]), 1, 1, ["maximum 1234567 to 1234568", "mean"], id="by one"
        ),
        pytest.param(
            changed(id=["1234567", "2", "3", "4"]),
            1,
            1,
            ["missing 25.0% to 0.0%", "median 3 to 3.5", "mean"],
            id="no longer missing",
        ),
        pytest.param(changed(kind=["a", "a", "c", "c"]), 2, 2, ["gone: b", "new: c", "share of"], id="new category"),
        pytest.param(
            pd.concat([FIRST, FIRST.iloc[[0]]]), 0, 1, ["missing 25.0% to 20.0%", "median", "mean"], id="a row twice"
        ),
        pytest.param(FIRST.iloc[:3], 1, 0, ["missing 25.0% to 0.0%"], id="a row less"),
    ],
)
def test_rows_and_columns_that_differ(second: pd.DataFrame, gone: int, new: int, what: list[str]) -> None:
    found = compare(FIRST, second)
    assert (found.same, found.rows_gone, found.rows_new) == (False, gone, new)
    said = found.columns[0].what
    assert len(said) == len(what)
    assert all(text.startswith(start) for text, start in zip(said, what, strict=True))


def test_columns_of_one_table_alone() -> None:
    found = compare(FIRST, FIRST.rename(columns={"kind": "sort"}))
    assert (found.same, found.only_first, found.only_second, found.rows_gone) == (False, ["kind"], ["sort"], 0)
    assert compare(FIRST[["id"]], FIRST[["kind"]]).same is False
