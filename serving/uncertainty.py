"""`?interval=0.9`: which classes the answer may be with that coverage, and what of the row the model has not met.

The limits of the sets and what the training rows cover come from the bundle; `tabular.conformal` and `tabular.novelty`
say how they were found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from msgspec import Struct

from serving.bundle import Model
from serving.columns import Column
from serving.problems import Problem, Violation, invalid
from serving.rows import Row

LEVEL = r"0\.[5-9][0-9]?"


class Interval(Struct, gc=False):
    """The classes that hold the true one in `level` of rows like the training rows, the likeliest first."""

    level: float
    labels: list[str]


class Novelty(Struct, gc=False):
    """Whether the row has a value that no training row reaches, and in which fields."""

    is_new: bool
    fields: list[str]


class _Covered(Struct, gc=False):
    name: str
    low: float
    high: float
    codes: frozenset[float] | None

    def holds(self, value: float) -> bool:
        return value in self.codes if self.codes is not None else self.low <= value <= self.high


_covered: WeakKeyDictionary[Model, list[_Covered]] = WeakKeyDictionary()


def asked_level(model: Model, query: bytes) -> str | None:
    """The level in a request's query, as the bundle names it; None where there is none.

    Raises:
        Problem: It is no such level, or the model has no limits for any.
    """
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("interval")
    if given is None:
        return None
    limits = model.serving.get("conformal")
    if not limits:
        detail = f"version {model.version} promises no coverage: its bundle has no limits of prediction sets"
        raise Problem(HTTPStatus.NOT_FOUND, "no-intervals", detail)
    level = f"{float(given[-1]):.2f}" if re.fullmatch(LEVEL, given[-1], re.ASCII) else ""
    if level not in limits:
        raise invalid([Violation("interval", given[-1], "a share from 0.5 to 0.99, of one or two digits")])
    return level


def interval(model: Model, probabilities: Sequence[float], level: str) -> Interval:
    """The prediction set of one row."""
    limit = model.serving["conformal"][level]
    ordered = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    held = [index for index in ordered[1:] if 1 - probabilities[index] <= limit]
    return Interval(float(level), [model.classes[index] for index in (ordered[0], *held)])


def novelty(model: Model, row: Row) -> Novelty:
    """What of one row the training rows do not cover; what was not measured is not new."""
    known = _covered.get(model)
    if known is None:
        described = model.serving.get("covered", {})
        known = _covered[model] = [_parse(column, described.get(column.name)) for column in model.rows.columns]
    fields = [
        each.name
        for each, value in zip(known, row, strict=True)
        if value is not None and not math.isnan(value) and not each.holds(value)
    ]
    return Novelty(bool(fields), fields)


def _parse(column: Column, known: Mapping[str, Any] | None) -> _Covered:
    """Of a bundle that does not say what it covers, every value is as good as known."""
    if known is None:
        return _Covered(column.name, -math.inf, math.inf, None)
    if "codes" in known:
        return _Covered(column.name, 0.0, 0.0, frozenset(column.number(code) for code in known["codes"]))
    return _Covered(column.name, known["minimum"], known["maximum"], None)
