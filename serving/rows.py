"""From a JSON body to the numbers of the model's input.

Two readers agree by construction: a strict one generated from the contract, fast, for what well-behaved
clients send; and a careful one that reads again whatever the first refuses, takes the harmless variants
(63.0 for 63, codes for "not measured") and says of the rest which field, which value and what is allowed.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from serving.columns import Column
from serving.problems import SHOWN, Problem, Violation, did_you_mean, invalid, malformed

MAX_ROWS = 10_000
FEW = 16
"""Up to so many rows are read one by one, as long as all is well with them: that begins sooner."""
ENOUGH = 100

_decode = msgspec.json.Decoder().decode
_values = msgspec.structs.astuple

Row: TypeAlias = Sequence[float | None]
"""One row in tensor order; None and NaN are both missing."""
Rows: TypeAlias = Sequence[Row] | npt.NDArray[np.float32]
"""Few rows, or many as a tensor of shape (rows, columns)."""


class RowReader:
    """Reads rows of one contract.

    Args:
        columns: The features, in tensor order.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.names = [column.name for column in columns]
        self.is_numeric = all(column.is_numeric for column in columns)
        fields: list[Any] = []
        for index, column in enumerate(columns):
            # What is left out must differ from null, so that the fields of a body can be counted.
            optional = (msgspec.UNSET,) if column.nullable else ()
            kind = column.json_type()
            fields.append((f"f{index}", kind | msgspec.UnsetType if optional else kind, *optional))
        struct = msgspec.defstruct(
            "Row",
            fields,
            kw_only=True,  # keeps tensor order where a required field follows an optional one
            forbid_unknown_fields=True,
            rename={f"f{index}": name for index, name in enumerate(self.names)},
            gc=False,
        )
        self._decode = msgspec.json.Decoder(struct | list[struct]).decode  # type: ignore[valid-type]
        self._listed = msgspec.defstruct(
            "ListedRow",
            [(f"f{index}", column.json_type()) for index, column in enumerate(columns)],
            array_like=True,
            forbid_unknown_fields=True,
            gc=False,
        )
        self._whole = [index for index, column in enumerate(columns) if column.type == "integer" and not column.missing]
        looked_up = [(index, column.lookup()) for index, column in enumerate(columns)]
        self._lookups = [(index, lookup) for index, lookup in looked_up if lookup is not None]
        self._coded = [
            # What is a number in range and no code stays as it is; whether it is whole, only `number` says.
            (index, column.low if column.type == "number" else math.inf, column.high, column.missing, column.number)
            for index, column in enumerate(columns)
            if column.missing and column.type in ("number", "integer")
        ]

    def read(self, body: bytes) -> tuple[Rows, bool]:
        """Rows of a body that is one object or a list of them, and whether it was a list.

        Raises:
            Problem: The body is not JSON, or a row does not fit the contract.
        """
        try:
            decoded = self._decode(body)
            many = type(decoded) is list
            table = list(map(_values, decoded)) if many else [_values(decoded)]
            # The decoder keeps the last of two equal fields. One colon per field means that there are none; a colon
            # inside a text only sends the body to the careful reader.
            fields = sum(len(values) - values.count(msgspec.UNSET) for values in table)
            if 0 < len(table) <= MAX_ROWS and body.count(b":") == fields:
                return self._typed(table), many
        except (ValueError, LookupError, RecursionError):  # the careful reader says what it was
            pass
        value = parse(body)
        many = isinstance(value, list)
        return self.check(value if isinstance(value, list) else [value], many), many

    def strict(self, table: Sequence[Sequence[object]]) -> Rows:
        """Rows as lists of values in contract order, if every value is plainly right.

        Raises:
            ValueError: One may not be, which `check` judges.
            LookupError: The same.
        """
        return self._typed(list(map(_values, msgspec.convert(table, list[self._listed]))))  # type: ignore[name-defined]

    def check_table(self, names: Sequence[str], table: Sequence[Sequence[object]]) -> Rows:
        """Rows as lists of values, all as long as `names`, which says what they are; judged as `check` does.

        Raises:
            Problem: There are none or too many rows, or a value does not fit; every such value is named.
        """
        if names == self.names and 0 < len(table) <= MAX_ROWS:
            with suppress(ValueError, LookupError):
                return self.strict(table)
        return self.check([dict(zip(names, row, strict=True)) for row in table])

    def check(self, rows: Sequence[object], many: bool = True) -> list[Row]:
        """Rows as parsed JSON objects, each value judged by its column.

        Raises:
            Problem: There are none or too many rows, or a value does not fit; every such value is named.
        """
        if not rows:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no-rows", "the list has no rows; send at least one")
        if len(rows) > MAX_ROWS:
            detail = f"the list has {len(rows)} rows; at most {MAX_ROWS} fit one request"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-rows", detail)
        violations: list[Violation] = []
        checked: list[Row] = []
        for number, row in enumerate(rows, start=1):
            checked.append(self._check_row(row, number if many else None, violations))
            if len(violations) >= ENOUGH:  # a hostile body must not cost a near-name search per key
                break
        if violations:
            raise invalid(violations)
        return checked

    def _typed(self, table: Sequence[tuple[Any, ...]]) -> Rows:
        """The numbers of values that have the types of their columns.

        Raises:
            ValueError: A value is not whole, or a code of another kind.
            LookupError: It is no code.
        """
        if len(table) > FEW:
            return self._by_column(list(zip(*table, strict=True)))
        return [self._by_value(list(values)) for values in table]

    def _by_value(self, values: list[Any]) -> Row:
        if msgspec.UNSET in values:
            values[:] = [None if value is msgspec.UNSET else value for value in values]
        for index in self._whole:
            if values[index] is not None and values[index] % 1:
                raise ValueError
        for index, known in self._lookups:
            values[index] = known[values[index]]
        for index, low, high, missing, number in self._coded:
            value = values[index]
            if value is not None and (not low <= value <= high or value in missing):
                values[index] = number(value)
        return values

    def _by_column(self, columns: list[Any]) -> npt.NDArray[np.float32]:
        """As `_by_value`, five times faster where there are many."""
        for index, values in enumerate(columns):
            if msgspec.UNSET in values:
                columns[index] = [None if value is msgspec.UNSET else value for value in values]
        for index, known in self._lookups:
            columns[index] = [known[value] for value in columns[index]]
        numbers = np.array(columns, dtype=np.float64)  # None becomes NaN
        if (numbers[self._whole] % 1 > 0).any():
            raise ValueError
        for index, low, high, missing, number in self._coded:
            column = numbers[index]
            codes = [code for code in missing if not isinstance(code, str)]
            odd = ~np.isnan(column) & (~((low <= column) & (column <= high)) | np.isin(column, codes))
            for position in np.flatnonzero(odd):
                column[position] = number(columns[index][position])
        return numbers.T.astype(np.float32)

    def _check_row(self, row: object, number: int | None, violations: list[Violation]) -> Row:
        if not isinstance(row, Mapping):
            violations.append(Violation("the row", row, "an object of field names and values", number))
            return []
        for name in [name for name in row if name not in self.names][:ENOUGH]:
            complaint = f"unknown field {name[:SHOWN]!r}{did_you_mean(name, self.names)}"
            violations.append(Violation(name, row[name], ", ".join(self.names), number, complaint))
        numbers: list[float] = []
        for column in self.columns:
            value = row.get(column.name)
            try:
                numbers.append(column.number(value))
            except ValueError:
                complaint = "" if column.name in row else f"{column.name} is missing"
                violations.append(Violation(column.name, value, column.allowed(), number, complaint))
        return numbers


def parse(body: bytes) -> object:
    """Any JSON value; NaN and infinities are read too, so that the field that holds one can be named.

    Raises:
        Problem: The body is empty, not UTF-8, not JSON, or nested too deep.
    """
    with suppress(ValueError, RecursionError):  # the careful reader says what it was
        value = _decode(body)
        # It keeps the last of two equal fields; one colon per field means that there are none.
        if body.count(b":") == _fields(value):
            return value
    if not body.strip():
        raise malformed("the body is empty; send a JSON object or a list of objects")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise malformed(f"the body is not UTF-8: byte {error.start} can not be decoded") from None
    except json.JSONDecodeError as error:
        raise malformed(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise malformed("the body is not JSON: a number has too many digits") from None
    except RecursionError:
        raise malformed("the body is nested too deep; a row is a flat object") from None


def _fields(value: object) -> int:
    """How many fields the objects of a JSON value have; of a list of anything else none is counted."""
    if isinstance(value, dict):
        return len(value) + sum(map(_fields, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(map(_fields, value))
    return 0


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise malformed(f"the field {twice[:SHOWN]!r} is given twice")
    return found
