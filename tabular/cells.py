"""One cell: is it missing, what is its value, what would be allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import pandas as pd

from tabular.columns import Feature

FLOAT32_MAX = 3.4028234663852886e38
INTEGER_MAX = 2**53
"""Largest numbers taken: the model reads float32, and a float64 tells whole numbers apart up to here."""

TRUE, FALSE = frozenset({"true", "1", "1.0", "yes", "t", "y"}), frozenset({"false", "0", "0.0", "no", "f", "n"})


def parse_cell(cell: object, feature: Feature) -> float | int | bool | str | None:
    """One cell as its feature's type, or None if it does not fit (range and allowed codes are judged elsewhere)."""
    text = str(cell).strip()
    match feature.type:
        case "boolean":
            lowered = text.lower()
            return True if lowered in TRUE else False if lowered in FALSE else None
        case "category" if isinstance(feature.codes[0], str):
            return text
    number = finite(text)
    if number is None:
        return None
    if feature.type == "number":
        return number
    return int(number) if abs(number) <= INTEGER_MAX and number == int(number) else None


def is_allowed(value: float | bool | str, feature: Feature) -> bool:
    """Whether a parsed value is one of the feature's codes, or lies in its range."""
    if feature.codes:
        return value in feature.codes
    if isinstance(value, str):
        return False
    return (feature.minimum is None or value >= feature.minimum) and (
        feature.maximum is None or value <= feature.maximum
    )


def missing_signs(missing: Sequence[str]) -> frozenset[str | float]:
    """A file's signs for "missing", as text and as the numbers they are: a column of numbers holds no text."""
    return frozenset(missing) | {number for sign in missing if (number := to_number(sign)) is not None}


def is_missing(cell: object, signs: frozenset[str | float]) -> bool:
    """Whether a raw cell is one of the file's signs for "missing", see `missing_signs`."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)):
        return True
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return cell in signs
    return str(cell).strip() in signs


def is_missing_code(cell: object, feature: Feature) -> bool:
    """Whether a raw cell is one of the column's own codes for "not measured", such as a cholesterol of 0."""
    return bool(feature.missing) and plain(cell) in {plain(code) for code in feature.missing}


def allowed(feature: Feature) -> str:
    """What a feature accepts, in words: type and range, or the codes."""
    if feature.codes:
        return f"one of {', '.join(map(str, feature.codes))}"
    if feature.type == "boolean":
        return "true or false"
    low, high = feature.minimum, feature.maximum
    kind = "a number" if feature.type == "number" else "a whole number"
    if low is not None and high is not None:
        return f"{kind} from {plain(low)} to {plain(high)}"
    if low is not None:
        return f"{kind} from {plain(low)}"
    return kind if high is None else f"{kind} up to {plain(high)}"


def to_number(text: str) -> float | None:
    """The number that a text is, or None; 1_000 is one to Python alone."""
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def finite(text: str) -> float | None:
    """The number that a text is, where a model can take it."""
    number = to_number(text)
    return number if number is not None and abs(number) <= FLOAT32_MAX else None  # NaN compares false


def plain(value: object) -> str:
    """A value as text by which 0, 0.0 and "0" are the same."""
    number = to_number(str(value).strip()) if not isinstance(value, bool) else float(value)
    if number is None:
        return str(value).strip()
    return str(int(number)) if number.is_integer() else repr(number)
