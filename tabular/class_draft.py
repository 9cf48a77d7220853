"""The classes of a first contract, from the cells of the target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pandas as pd

from project.errors import Refused
from tabular.cells import finite
from tabular.missing_codes import CODES
from tabular.spelling import a_date_of, alike, has_separators

MOST_CLASSES, LEAST_PER_CLASS = 20, 10
MEANT = frozenset({-1})
"""Of the codes for "missing" the one that is as often a class: for and against as 1 and -1."""


@dataclass(frozen=True, slots=True)
class DraftClass:
    """One class: the values that mean it, its most frequent spelling first."""

    values: list[Any]
    rows: int

    @property
    def label(self) -> str:
        """What it is called."""
        return str(self.values[0])

    @property
    def is_number(self) -> bool:
        """Whether it may be an amount, and the target a quantity."""
        return finite(self.label) is not None


def draft_classes(cells: pd.Series[Any], target: str) -> list[DraftClass]:
    """The classes of a target, the most frequent first; spellings that differ in capitals or spaces are one class.

    Raises:
        Refused: A cell is missing, the values are a quantity, or they are too few, too many or too rare.
    """
    lost = [str(row) for row in range(1, len(cells) + 1) if cells.iloc[row - 1] is None]
    if lost:
        raise Refused(
            f"target {target!r} is missing in {len(lost)} rows: {', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}",
            "remove these rows: nothing can be learnt from them",
        )
    counts = Counter[Any]()
    for cell, rows in cells.value_counts().items():
        counts[_value(cell)] += int(rows)
    spelt = {str(value): value for value, _ in counts.most_common()}
    classes = [
        DraftClass([spelt[name] for name in names], sum(counts[spelt[name]] for name in names))
        for names in alike(spelt).values()
    ]
    if len(classes) < 2:
        raise Refused(f"target {target!r} has a single value, {classes[0].label!r}", "name another --target")
    another = "name another --target, or write the classes into a column"
    quantity = " numbers: a quantity, not classes" if all(each.is_number for each in classes) else " values"
    labels = [each.label for each in classes]
    if date := a_date_of(labels):
        raise Refused(f"target {target!r} has dates or times, such as {date!r}: a quantity, not classes", another)
    if has_separators(labels):
        raise Refused(f"target {target!r} has numbers with a comma: a quantity, not classes", another)
    fraction = next((each.label for each in classes if each.is_number and not isinstance(each.values[0], int)), "")
    if fraction or len(classes) > MOST_CLASSES:
        why = f"{fraction} is a fraction" if fraction else f"at most {MOST_CLASSES} classes can be told apart"
        raise Refused(f"target {target!r} has {len(classes)} different{quantity}; {why}", another)
    codes = [each for each in classes if each.values[0] in CODES - MEANT] if len(classes) > 2 else []
    if codes:
        written = " and ".join(f"{each.label} in {each.rows} rows" for each in codes)
        raise Refused(
            f"target {target!r} is {written}: that looks like a code for 'missing'",
            "remove these rows, or give the class a name",
        )
    rare = [f"{each.values[0]!r} ({each.rows})" for each in classes if each.rows < LEAST_PER_CLASS]
    if rare:
        raise Refused(
            f"target {target!r} has classes of fewer than {LEAST_PER_CLASS} rows: {', '.join(rare)}",
            "collect more rows of them, or join or remove these classes",
        )
    return sorted(classes, key=lambda each: -each.rows)


def _value(cell: object) -> Any:
    """A class as the contract writes it: whole numbers as such."""
    number = None if isinstance(cell, bool) else finite(str(cell))
    return int(number) if number is not None and number == int(number) else cell
