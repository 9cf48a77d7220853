"""`POST /invocations`: MLflow's scoring protocol, https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from serving.bundle import Model
from serving.http import Answer, Request, Route
from serving.problems import malformed
from serving.rows import parse

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")

_encode = msgspec.json.Encoder().encode


def invocations(model: Model, request: Request) -> Answer:
    """Rows in one of MLflow's four formats; the answer is `{"predictions": [{"prediction", "probability", "label"}]}`.

    Raises:
        Problem: The body is in none of them, or a value does not fit the contract.
    """
    message = parse(request.body)
    given = [name for name in FORMATS if isinstance(message, dict) and name in message]
    if not isinstance(message, dict) or len(given) != 1:
        raise malformed(f"expected an object with exactly one of {', '.join(FORMATS)}")
    rows = model.rows.check([_measured(row) for row in _rows(model, given[0], message[given[0]])])
    answers, predicted = [], []
    for probabilities in model.probabilities(rows).tolist():
        index = model.choose(probabilities)
        probability = probabilities[index if model.threshold is None else -1]
        answers.append({"prediction": index, "probability": probability, "label": model.classes[index]})
        predicted.append(index)
    return Answer(_encode({"predictions": answers}), predicted)


def _rows(model: Model, name: str, given: Any) -> list[Any]:
    if name == "dataframe_split":
        columns, data = (given.get(part) if isinstance(given, dict) else None for part in ("columns", "data"))
        if not isinstance(columns, list) or not isinstance(data, list):
            raise malformed('dataframe_split is not {"columns": [...], "data": [[...]]}')
        if not all(isinstance(column, str) for column in columns) or len(set(columns)) < len(columns):
            raise malformed("dataframe_split.columns is not a list of different names")
        return [_named(columns, row, number) for number, row in enumerate(data, start=1)]
    if name == "inputs" and isinstance(given, dict):
        return _from_columns(given)
    if not isinstance(given, list):
        raise malformed(f"{name} is not a list of rows")
    names = model.rows.names
    return [
        row if isinstance(row, dict) or name == "dataframe_records" else _named(names, row, number)
        for number, row in enumerate(given, start=1)
    ]


def _measured(row: Any) -> Any:
    """A row with null for NaN, which is what MLflow's client sends for a missing value of a frame."""
    if not isinstance(row, dict):
        return row
    return {name: None if value != value else value for name, value in row.items()}  # noqa: PLR0124  NaN


def _named(names: list[str], row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, list) or len(row) != len(names):
        raise malformed(f"row {number} is not a list of {len(names)} values: {', '.join(names)[:400]}")
    return dict(zip(names, row, strict=True))


def _from_columns(columns: Mapping[str, Any]) -> list[Any]:
    """Rows of an object of columns; of an object of single values, one row."""
    if not any(isinstance(values, list) for values in columns.values()):
        return [columns]
    lengths = {len(values) if isinstance(values, list) else -1 for values in columns.values()}
    if len(lengths) != 1:
        raise malformed("inputs: the columns are not lists of one length")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


ROUTES = (Route("POST", "/invocations", invocations),)
