"""The checks of a table: each rule holds at its edge, and past it names column, rule, values and rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from project.errors import Exit, Refused
from tabular.check_report import CheckReport, Violation
from tabular.check_summary import check_sites
from tabular.checks import check_rows
from tabular.contract import Contract
from tabular.leakage import single_feature_auc
from tabular.reading import typed
from tabular.sites import read_sites
from tests.unit.tabular.conftest import Data, Write, make_contract

CHECKS = {
    "minimum_rows": 20,
    "minimum_class_share": 0.25,
    "maximum_missing_share": 0.5,
    "maximum_duplicate_share": 0.1,
    "maximum_single_feature_auc": 0.95,
}


def cells(rows: int = 20) -> dict[str, list[str]]:
    """A table that keeps every rule: classes of 10 and 10, no column that tells them apart."""
    numbers = range(rows)
    return {
        "weight": [str(1 + n * 7 % 40) for n in numbers],
        "litter": [str(1 + n % 12) for n in numbers],
        "indoor": ["yes" if n % 3 else "no" for n in numbers],
        "coat": [str(1 + n // 2 % 2) for n in numbers],
        "colour": ["black" if n % 4 else "red" for n in numbers],
        "kind": ["c" if n % 2 else "d" for n in numbers],
    }


def check(table: dict[str, list[str]], site: str = "here", **limits: Any) -> CheckReport:
    contract = make_contract(checks={**CHECKS, **limits})
    return check_rows(contract, typed(contract, pd.DataFrame(table, dtype=object)), site)


def changed(**columns: dict[int, str]) -> dict[str, list[str]]:
    """The good table with some cells changed: `weight={3: "x"}` changes row 3."""
    table = cells()
    for column, by_row in columns.items():
        for row, value in by_row.items():
            table[column][row - 1] = value
    return table


ODD, ALL = range(1, 20, 2), range(1, 21)


def test_a_table_that_keeps_every_rule() -> None:
    report = check(cells())
    assert report.violations == ()
    assert (report.site, report.rows, report.passed) == ("here", 20, True)
    assert report.refusal == ""
    assert "all 24 rules hold" in report.html
    assert report.rules == 24


def test_cells_that_break_a_rule() -> None:
    table = changed(
        weight={2: "90.5", 3: "heavy", 4: "-1", 6: "-1", 9: "inf"},
        coat={7: "9"},
        colour={5: "", 7: "green"},
        litter=dict.fromkeys(range(1, 12), "NA"),
        indoor={n: "yes" if n % 2 else "no" for n in ALL},
    )
    assert check(table).violations == (
        Violation("coat", "unknown code", "one of 1, 2", ("9",), (7,), 1),
        Violation("colour", "missing", "a value in every row", ("no value",), (5,), 1),
        Violation("colour", "unknown code", "one of black, white, red", ("'green'",), (7,), 1),
        Violation("indoor", "leakage, AUC of this column alone", "0.95 or less", ("1",), (), 0),
        Violation("litter", "share of rows with a value", "0.5 or more", ("0.45",), (), 0),
        Violation("weight", "out of range", "a number from 0 to 90", ("-1", "90.5"), (2, 4, 6), 3),
        Violation("weight", "unreadable", "a number from 0 to 90", ("'heavy'", "'inf'"), (3, 9), 2),
    )


def test_tables_that_break_a_rule() -> None:
    """Unknown classes, of which five are named; a class that is rare; a row three times; a column without a value."""
    table = changed(
        kind={1: "x", 2: "x", 4: "y", 6: "z", 8: "w", 10: "v", 12: "u", **dict.fromkeys(range(3, 14, 2), "c")},
        litter=dict.fromkeys(ALL, "NA"),
    )
    table = {name: [*column, *[column[19]] * 2] for name, column in table.items()}
    assert check(table).violations == (
        Violation("kind", "share of class 'dog'", "0.25 or more", ("0.1364",), (), 0),
        Violation("kind", "unknown class", "c, d", ("'u'", "'v'", "'w'", "'x'", "'y'"), (1, 2, 4, 6, 8), 7),
        Violation("litter", "share of rows with a value", "0.5 or more", ("0",), (), 0),
        Violation("row", "equal to another row", "a share of at most 0.1", ("the same values",), (20, 21, 22), 3),
    )


def test_at_its_edge_every_rule_holds() -> None:
    """The ends of a range, a code for missing outside it, half the values missing, a class of just a quarter."""
    table = changed(
        weight={2: "90", 3: "0.0001", 5: "0"},
        litter=dict.fromkeys(ODD, "NA"),
        kind=dict.fromkeys((1, 3, 5, 7, 9), "c"),
    )
    assert check(table).violations == ()
    twice = {name: [*column, column[0]] for name, column in cells().items()}
    assert check(twice).violations == ()


def test_with_no_limit_a_column_still_needs_one_value_and_a_class_one_row() -> None:
    table = changed(litter=dict.fromkeys(ALL, ""), kind=dict.fromkeys(ALL, "c"))
    found = check(table, maximum_missing_share=1, minimum_class_share=0, maximum_single_feature_auc=1).violations
    assert [(v.column, v.rule, v.allowed) for v in found] == [
        ("kind", "share of class 'dog'", "above 0"),
        ("litter", "share of rows with a value", "above 0"),
    ]


def test_an_unreadable_cell_is_told_of_once() -> None:
    """Row 7 of a column that must have a value: its text does not fit, so it is not also told of as missing."""
    contract = make_contract(
        checks=CHECKS,
        features={"age": {"type": "integer", "nullable": False}, "weight": {"type": "number"}},
    )
    table = {"age": ["7" if n != 6 else "old" for n in range(20)], **{k: cells()[k] for k in ("weight", "kind")}}
    report = check_rows(contract, typed(contract, pd.DataFrame(table, dtype=object)), "here")
    assert report.violations == (Violation("age", "unreadable", "a whole number", ("'old'",), (7,), 1),)
    table["age"][2] = ""
    report = check_rows(contract, typed(contract, pd.DataFrame(table, dtype=object)), "here")
    assert Violation("age", "missing", "a value in every row", ("no value",), (3,), 1) in report.violations


def test_an_external_site_may_lack_what_the_training_site_must_have() -> None:
    table = {**cells(5), "litter": [""] * 5, "kind": ["c"] * 5}
    assert check(table, site="there").violations == ()
    assert {v.rule for v in check(table).violations} > {"number of rows", "share of rows with a value"}
    assert [str(v) for v in check({**table, "coat": ["1", "2", "3", "1", "1"]}, site="there").violations] == [
        "coat: unknown code: 3 in row 3, allowed: one of 1, 2"
    ]


def test_rows_to_predict_have_no_target() -> None:
    table = {name: column for name, column in changed(coat={3: "7"}).items() if name != "kind"}
    report = check(table, site="there")
    assert [str(v) for v in report.violations] == ["coat: unknown code: 7 in row 3, allowed: one of 1, 2"]
    assert report.rules == 10


def test_ten_rows_of_a_single_class_are_refused() -> None:
    report = check({**cells(10), "kind": ["c"] * 10})
    assert report.refusal == (
        "here: 2 of 24 checks failed: kind: share of class 'dog': 0, allowed: 0.25 or more;"
        " table: number of rows: 10, allowed: 20 or more"
    )


def test_a_refusal_names_three_and_the_page_shows_cells_as_text() -> None:
    table = changed(
        weight={1: "<script>alert(1)</script>", 2: "x"},
        coat=dict.fromkeys(ALL, "7"),
        colour=dict.fromkeys(ALL, "green"),
        litter=dict.fromkeys(ALL, "13"),
    )
    report = check(table)
    assert report.refusal == (
        "here: 4 of 24 checks failed:"
        " coat: unknown code: 7 in row 1, 2, 3, 4, 5 and 15 more, allowed: one of 1, 2;"
        " colour: unknown code: 'green' in row 1, 2, 3, 4, 5 and 15 more, allowed: one of black, white, red;"
        " litter: out of range: 13 in row 1, 2, 3, 4, 5 and 15 more, allowed: a whole number from 1 to 12;"
        " and 1 more"
    )
    assert "4 of 24 rules do not hold" in report.html
    assert "<script>" not in report.html
    assert "&lt;script&gt;alert(1)" in report.html
    assert "http" not in report.html
    assert check(table).violations == report.violations


def test_sites_are_summed_up(pets: Contract, write: Write) -> None:
    lines = [",".join(row) for row in zip(*cells().values(), strict=True)]
    write(",".join(cells()), *lines)
    write(",".join(cells()), lines[0].replace("red", "green"), name="there.csv")
    contract = pets.model_copy(update={"checks": make_contract(checks=CHECKS).checks})
    summary, page = check_sites(contract, *read_sites(contract, ["here", "there"]))
    assert [(site.site, site.rows, site.violations) for site in summary.sites] == [
        ("here", 20, []),
        ("there", 1, ["colour: unknown code: 'green' in row 1, allowed: one of black, white, red"]),
    ]
    assert not summary.passed
    with pytest.raises(Refused) as refusal:
        summary.raise_if_failed("pets")
    assert refusal.value.exit_code is Exit.REFUSED
    assert refusal.value.cause.startswith("there: 1 of 12 checks failed: colour: unknown code: 'green' in row 1")
    assert refusal.value.next_step == (
        "correct the rows or the contract, then python run.py data validate --dataset pets"
    )
    assert "here: 20 rows, passed" in page
    assert "there: 1 rows, 1 of 12 rules broken" in page
    good, _ = check_sites(contract, *read_sites(contract, ["here"]))
    assert good.passed
    good.raise_if_failed("pets")


def test_a_hospital_that_measured_no_cholesterol_passes(heart: Data) -> None:
    summary, _ = check_sites(heart.contract, *read_sites(heart.contract, ["switzerland"]))
    assert [(site.site, site.rows, site.violations) for site in summary.sites] == [("switzerland", 123, [])]


def series(*values: Any, dtype: str = "float64") -> pd.Series[Any]:
    return pd.Series(list(values), dtype=dtype)  # type: ignore[call-overload, no-any-return, unused-ignore]


ABAB = pd.Series(["a", "b", "a", "b"])


@pytest.mark.parametrize(
    ("feature", "target", "ranked", "auc"),
    [
        pytest.param(series(1, 2, 1, 2), ABAB, True, 1.0, id="a number that ranks them"),
        pytest.param(series(2, 1, 2, 1), ABAB, True, 1.0, id="in the other direction"),
        pytest.param(series(1, 2, 3, 4), ABAB, True, 0.75, id="three of four pairs"),
        pytest.param(series(5, 5, 5, 5), ABAB, True, 0.5, id="a constant"),
        pytest.param(series(np.nan, 2, np.nan, 3), ABAB, True, 1.0, id="missing for one class alone"),
        pytest.param(series(1, np.nan, 2, 3), ABAB, True, 1.0, id="missing beyond the largest"),
        pytest.param(series(1, 2, 3, 4, dtype="Int64"), ABAB, True, 0.75, id="whole numbers are ranked"),
        pytest.param(series(None, 2, 3, None, dtype="Int64"), ABAB, True, 0.625, id="a missing whole number"),
        pytest.param(series(1, 2, 3, 4, dtype="Int64"), ABAB, False, 1.0, id="codes are not ranked"),
        pytest.param(series(1, 1, 2, 2, dtype="Int64"), ABAB, False, 0.5, id="codes that tell nothing"),
        pytest.param(series(True, False, True, None, dtype="boolean"), ABAB, False, 1.0, id="a boolean and a gap"),
        pytest.param(series(1, 2, 1, 2), pd.Series(["a"] * 4), True, 0.5, id="a single class"),
        pytest.param(series(1, 9, 1, 2), pd.Series(["a", None, "a", "b"]), True, 1.0, id="a row without a class"),
        pytest.param(series(1, 2, 3, 4, 5, 6), pd.Series([*"abcabc"]), True, 0.75, id="the best of three classes"),
    ],
)
def test_how_well_one_column_ranks(feature: pd.Series[Any], target: pd.Series[Any], ranked: bool, auc: float) -> None:
    assert single_feature_auc(feature, target, ranked) == pytest.approx(auc)


def test_a_whole_number_with_many_values_is_no_leak() -> None:
    """Each value stands once: as categories they would tell every class, ranked they tell nothing."""
    draw = np.random.default_rng(0)
    numbers = pd.Series(pd.array(draw.permutation(400), dtype="Int64"))
    kinds = pd.Series(draw.choice(["a", "b"], 400))
    assert single_feature_auc(numbers, kinds, ranked=True) < 0.6
