"""Numbers that people write where nothing was measured, found by looking: -999 among ages."""

from __future__ import annotations

from collections.abc import Iterable

CODES = frozenset({-99999, -9999, -999, -99, -9, -1, 99, 999, 9999, 99999})


def missing_codes(numbers: Iterable[float]) -> list[float]:
    """The numbers of a column that look like a code for "not measured".

    One is of that kind if it is among `CODES`, the least or the greatest of the column, and further from its
    neighbour than all others are from each other.

    Args:
        numbers: The column's different numbers.
    """
    found, rest = [], sorted(set(numbers))
    while len(rest) > 3:
        low, high = (rest[0], rest[1], rest[1:]), (rest[-1], rest[-2], rest[:-1])
        taken = [code for code, next_to, others in (low, high) if code in CODES and _apart(code, next_to, others)]
        if not taken:
            break
        found += taken
        rest = [number for number in rest if number not in taken]
    return sorted(found)


def _apart(code: float, neighbour: float, others: list[float]) -> bool:
    return abs(code - neighbour) > others[-1] - others[0]
