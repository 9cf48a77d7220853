"""What a journey says at its end."""

from __future__ import annotations

import re

import pytest

from cli.summary import _next_lines, drift_lines


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_to_type_next_stands_in_columns(elsewhere: bool) -> None:
    lines = list(_next_lines("penguins", elsewhere))
    found = [re.fullmatch(r"(  python run\.py \S.*?  +)\S.*", line) for line in lines]
    assert len({len(match[1]) for match in found if match}) == 1
    assert all(found)
    assert ("--input FILE" in lines[1]) != elsewhere


def test_of_too_few_rows_no_share_is_said() -> None:
    report = {"site": "input", "rows": 20, "outcome": "too few rows", "drifted_importance": 0.0, "features": []}
    lines = list(drift_lines([{**report, "worst": [], "next_command": "collect 50 rows first"}], "heart_disease"))
    assert lines == [
        "Drift      input: TOO FEW ROWS, there are 20",
        "           next: collect 50 rows first",
    ]
