"""What a journey says at its end."""

from __future__ import annotations

import re

import pytest

from cli.summary import _next_lines


@pytest.mark.parametrize("elsewhere", [True, False])
def test_what_to_type_next_stands_in_columns(elsewhere: bool) -> None:
    lines = list(_next_lines("penguins", elsewhere))
    found = [re.fullmatch(r"(  python run\.py \S.*?  +)\S.*", line) for line in lines]
    assert len({len(match[1]) for match in found if match}) == 1
    assert all(found)
    assert ("--input FILE" in lines[1]) != elsewhere
