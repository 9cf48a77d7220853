"""Cells of a file as the model's numbers, judged by the very columns that judge a request.

A cell is first read as the JSON value that a client would send for it; `serving.columns.Column` says what that
value becomes, or that it does not fit and why. Numbers within their range take a short cut to the same result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.columns import Column
from serving.problems import Violation
from tabular.batch_arrays import Found, in_range, read_array
from tabular.cells import FALSE, TRUE, is_missing, missing_signs

REMEMBERED = 10_000
"""Distinct cells of a column whose number is kept; a column of free text must not fill the memory."""
Cells = Any
"""Of one column: a sequence of what the cells hold, or an Arrow array (which has no types of its own)."""


def cell(cells: Cells, position: int) -> object:
    """One of them, as Python has it."""
    found = cells[position]
    return found if isinstance(cells, Sequence) else found.as_py()


@dataclass(frozen=True, slots=True)
class Reject:
    """A cell, or a whole row, that does not fit."""

    row: int
    """Data row of the file, counted from 1 (a header does not count)."""
    column: str
    value: str
    reason: str


class CellReader:
    """Reads the cells of one column.

    Args:
        column: The feature as the bundle's contract has it.
        missing: What stands for "missing" in the file.
    """

    def __init__(self, column: Column, missing: Sequence[str]) -> None:
        self.column = column
        self._signs = missing_signs(missing)
        self._known: dict[tuple[type, object], float | None] = {}
        self._codes = np.array([code for code in (*column.missing, *self._signs) if not isinstance(code, str)], float)
        self._is_number = column.type in ("number", "integer")

    def read(self, cells: Cells) -> tuple[npt.NDArray[np.float64], list[int]]:
        """Numbers of the cells, shape (cells,), missing ones NaN; and the positions of those that do not fit."""
        found = None if isinstance(cells, Sequence) else read_array(self.column, cells, self._codes, self._number)
        numbers, sure = self._one_by_one(cells) if found is None else found
        bad = []
        if not sure.all():
            numbers = np.array(numbers)  # what was stored is not to be written to
        for position in np.flatnonzero(~sure).tolist():
            number = self._number(cell(cells, position))
            if number is None:
                bad.append(position)
            numbers[position] = math.nan if number is None else number
        return numbers, bad

    def _one_by_one(self, cells: Cells) -> Found:
        """Numbers within their range, by the short cut."""
        numbers = np.full(len(cells), np.nan)
        if self._is_number:
            for position, each in enumerate(cells if isinstance(cells, Sequence) else cells.to_pylist()):
                try:
                    numbers[position] = math.nan if isinstance(each, bool) else float(each)
                except (TypeError, ValueError):
                    continue
        return numbers, in_range(self.column, numbers, self._codes)

    def reject(self, row: int, cell: object) -> Reject:
        """What a client would be told of this cell."""
        violation = Violation(self.column.name, self._value(cell), self.column.allowed())
        return Reject(row, self.column.name, "" if cell is None else str(cell), violation.sentence())

    def _number(self, cell: object) -> float | None:
        """The cell's number, NaN if it is missing, None if it does not fit."""
        key = (type(cell), cell)  # True, 1 and 1.0 are equal, and not the same to a column
        if key in self._known:
            return self._known[key]
        try:
            number: float | None = self.column.number(self._value(cell))
        except ValueError:
            number = None
        if len(self._known) < REMEMBERED:
            self._known[key] = number
        return number

    def _value(self, cell: object) -> object:
        """The JSON value that a cell means: files have text where a client sends numbers, booleans and null."""
        if is_missing(cell, self._signs):
            return None
        if isinstance(cell, bool | int | float):
            return cell
        text = str(cell).strip()
        if self.column.type == "boolean" and text.lower() in TRUE | FALSE:
            return text.lower() in TRUE
        if self.column.type == "category" and isinstance(self.column.codes[0], str):
            return text
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                continue
        return text
