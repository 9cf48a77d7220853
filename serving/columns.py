"""One column of the model's input: which JSON values it takes, and the number each becomes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import Meta

FLOAT32_MAX = 3.4028234663852886e38
INTEGER_MAX = 2**53
LISTED = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A feature as `contract.json` has it."""

    name: str
    type: str
    minimum: float | None
    maximum: float | None
    codes: Sequence[int | str]
    labels: Sequence[str]
    missing: Sequence[float | str]
    nullable: bool

    @classmethod
    def parse(cls, feature: Mapping[str, Any]) -> Column:
        """Read one entry of `features`; a missing code that is a number in quotes is that number too."""
        column = cls(**{name: feature[name] for name in cls.__slots__})
        return replace(column, missing=[*column.missing, *column._quoted_numbers()]) if column.is_numeric else column

    @property
    def low(self) -> float:
        """The least number allowed; a float32 holds no less."""
        return -FLOAT32_MAX if self.minimum is None else max(self.minimum, -FLOAT32_MAX)

    @property
    def high(self) -> float:
        """The greatest number allowed; a float32 holds no more."""
        return FLOAT32_MAX if self.maximum is None else min(self.maximum, FLOAT32_MAX)

    @property
    def is_numeric(self) -> bool:
        """Whether every value can be written as a number."""
        return not any(isinstance(code, str) for code in self.codes)

    @property
    def takes_boolean(self) -> bool:
        """Whether true and false stand for 1 and 0 here."""
        return self.type == "boolean" or (self.type == "category" and set(self.codes) <= {0, 1})

    def allowed(self) -> str:
        """What the column accepts, in words."""
        return f"{self._values()}{', or null' if self.nullable else ''}"

    def number(self, value: object) -> float:
        """A parsed JSON value as the model's number; NaN for a missing one.

        Raises:
            ValueError: It is of another type, outside the range, no known code, or missing where it must not be.
        """
        if isinstance(value, str):
            value = value.strip()
        if value is None or self._is_missing_code(value):
            if not self.nullable:
                raise ValueError
            return math.nan
        if isinstance(value, bool) and not self.takes_boolean:
            raise ValueError
        match self.type:
            case "category":
                return float(self.codes.index(value))  # an unknown code of any type raises
            case "boolean":
                return float((False, True).index(value))  # 0, 1, 0.0 and 1.0 are equal to them
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise ValueError
        if self.type == "integer" and (value != int(value) or abs(value) > INTEGER_MAX):
            raise ValueError
        return float(value)

    def json_type(self) -> Any:
        """The strict type for the fast decoder; whatever it refuses is read again by `number`."""
        kind: Any
        match self.type:
            case "category" if isinstance(self.codes[0], str):
                kind = str
            case "category" | "boolean":
                kind = float | bool if self.takes_boolean else float
            case "integer" if not self.missing:  # 63.0 is one too; whether it is whole, the reader looks
                most = INTEGER_MAX - 1  # beyond it two of them become one number
                kind = Annotated[float, Meta(ge=max(self.low, -most), le=min(self.high, most))]
            case _ if not self.missing:
                kind = Annotated[float, Meta(ge=self.low, le=self.high)]
            case _:
                kind = float
        return kind | None if self.nullable else kind

    def lookup(self) -> dict[object, float] | None:
        """What each allowed value becomes, for columns with few of them."""
        if self.type not in ("category", "boolean"):
            return None
        codes = self.codes if self.type == "category" else (0, 1)
        missing = [None, *self.missing] if self.nullable else []
        taken: dict[object, float] = {
            code: float(index) for index, code in enumerate(codes) if code not in self.missing
        }
        return {**taken, **dict.fromkeys(missing, math.nan)}

    def _quoted_numbers(self) -> Iterator[float]:
        for code in self.missing:
            with suppress(ValueError):
                if isinstance(code, str) and math.isfinite(number := float(code)) and number not in self.missing:
                    yield number

    def _is_missing_code(self, value: object) -> bool:
        return not isinstance(value, bool) and value in self.missing

    def _values(self) -> str:
        if self.type == "boolean":
            return "true or false"
        if self.type == "category":
            named = [
                str(code) if str(code) == label else f"{code} ({label})"
                for code, label in zip(self.codes[:LISTED], self.labels, strict=False)
            ]
            return f"one of {', '.join(named)}{', …' if len(self.codes) > LISTED else ''}"
        kind = "a number" if self.type == "number" else "a whole number"
        low, high = self.minimum, self.maximum
        lower = "" if low is None else f" from {low:g}"
        return f"{kind}{lower}{'' if high is None else f' to {high:g}' if lower else f' up to {high:g}'}"
