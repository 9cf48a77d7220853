"""The JSON schema of a row, as exact as the columns that judge one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.columns import INTEGER_MAX, Column
from serving.openapi_schemas import Schema


def row_schema(columns: Sequence[Column], features: Sequence[Mapping[str, Any]], example: Mapping[str, Any]) -> Schema:
    """The schema of one row as an object.

    Args:
        columns: In tensor order.
        features: `contract.json`'s entries of the same columns, which also have units and descriptions.
        example: A row that fits.
    """
    pairs = list(zip(columns, features, strict=True))
    return {
        "type": "object",
        "description": "One row. A field that may be null may be left out too: both mean 'not measured'.",
        "properties": {column.name: column_schema(column, feature) for column, feature in pairs},
        "required": [column.name for column in columns if not column.nullable],
        "additionalProperties": False,
        "examples": [dict(example)],
    }


def column_schema(column: Column, feature: Mapping[str, Any]) -> Schema:
    """The schema of one field; `x-labels` says what its codes mean, `x-missing` which of them mean "not measured"."""
    title = feature["description"] or column.name
    schema: Schema = {"title": title, "description": _description(column, feature), **_values(column)}
    if feature["unit"]:
        schema["x-unit"] = feature["unit"]
    if column.labels:
        schema["x-labels"] = {str(code): label for code, label in zip(column.codes, column.labels, strict=True)}
    if column.missing:
        schema["x-missing"] = [_plain(code) for code in column.missing]
    return schema


def _values(column: Column) -> Schema:
    missing = [_plain(code) for code in column.missing] if column.nullable else []
    if column.type in ("category", "boolean"):
        codes: list[Any] = [0, 1] if column.type == "boolean" else list(column.codes)
        truths = [False, True] if column.takes_boolean else []
        taken = [*truths, *(code for code in codes if code not in column.missing), *missing]
        return {"enum": [*taken, None] if column.nullable else taken}
    limit = float(INTEGER_MAX) if column.type == "integer" else column.high
    low, high = max(column.low, -limit), min(column.high, limit)
    number: Schema = {"type": column.type, "minimum": _plain(low), "maximum": _plain(high)}
    if not column.nullable:
        return number
    if missing:
        return {"anyOf": [number, {"enum": missing}, {"type": "null"}]}
    return {**number, "type": [column.type, "null"]}


def _description(column: Column, feature: Mapping[str, Any]) -> str:
    unit = f" {feature['unit']}" if feature["unit"] else ""
    codes = list(dict.fromkeys(str(_plain(code)) for code in column.missing))  # 9 and "9" read alike
    known = f" {', '.join(codes)} also {'means' if len(codes) == 1 else 'mean'} 'not measured'." if codes else ""
    return f"{feature['description'] or column.name}: {column.allowed()}.{f' Unit:{unit}.' if unit else ''}{known}"


def _plain(value: Any) -> Any:
    """A whole number without its point, as people write it."""
    return int(value) if isinstance(value, float) and value == int(value) and abs(value) <= INTEGER_MAX else value
