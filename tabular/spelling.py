"""How the cells of a column are written: as dates, with a comma, with a unit, as codes of digits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabular.cells import to_number

MOST, LOOKED_AT = 0.9, 200
"""Share of some of a column's different values that must be dates for it to be one of dates; how many, about."""
DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})( .*)?|\d{1,2}:\d{2}(:\d{2})?"
    r"|(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"
)
SEPARATED = re.compile(r"[+-]?(\d{1,3}([.,' \u00a0\u202f]\d{3})+|\d+)([.,]\d+)?")
"""1,234.5 and 1.234,5 and 1 234,5 and 1234,5: what `float` takes and what it does not."""
THOUSANDS = re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})*|0)")
"""1.234 where it may mean 1234."""
MEASURED = re.compile(r"(?P<sign>[$€£¥]?) ?[+-]?\d[\d.,']* ?(?P<unit>\D*)")


def unreadable_reason(values: Sequence[str]) -> str:
    """Why a column of these different values is no number and should be no category either; empty where it may be."""
    if date := a_date_of(values):
        return f"dates or times, such as {date!r}: write what counts of them as a number, days since something, say"
    if has_separators(values):
        odd = next(value for value in values if to_number(value) is None)
        return f"its numbers are written as {odd!r}: a point before decimals, and nothing between thousands"
    unit = _unit(values[0])
    if unit and all(_unit(value) == unit for value in values):
        return f"its numbers are written with {unit!r}, as {values[0]!r}: write the number alone"
    return ""


def a_date_of(values: Sequence[str]) -> str:
    """One of these values, if they are dates or times; else empty."""
    some = values[:: len(values) // LOOKED_AT + 1]
    dates = [value for value in some if DATE.fullmatch(value)]
    return dates[0] if len(dates) >= MOST * len(some) else ""


def _unit(value: str) -> str:
    """What stands before or behind a number; empty where it stands alone, or there is none."""
    found = MEASURED.fullmatch(value)
    return f"{found['sign']}{found['unit']}".strip() if found else ""


def has_separators(values: Sequence[str]) -> bool:
    """Whether these are numbers with a decimal comma, or with signs between thousands."""
    return any(to_number(value) is None for value in values) and all(map(SEPARATED.fullmatch, values))


def may_be_thousands(values: Iterable[str]) -> bool:
    """Whether each point could stand between thousands: three digits follow each."""
    values = list(values)
    return any("." in value for value in values) and all(map(THOUSANDS.fullmatch, values))


def are_codes(values: Sequence[str]) -> bool:
    """Whether these are digits of one length, zeros before them: 01262 is the name of a place, and no amount."""
    digits = all(value.isdigit() for value in values) and len({len(value) for value in values}) == 1
    return digits and len(values[0]) > 1 and any(value.startswith("0") for value in values)


def alike(values: Iterable[str]) -> dict[str, list[str]]:
    """Values by how they read without capitals and without spaces that repeat, in the order they come."""
    found: dict[str, list[str]] = {}
    for value in values:
        found.setdefault(" ".join(value.casefold().split()), []).append(value)
    return found
