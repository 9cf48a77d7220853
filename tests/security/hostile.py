"""Requests that are nearly right: each route's proper message with something in it changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from serving.bundle import Model

HUGE = "9" * 5000
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**400, 1e308, float("nan"), float("inf"), float("-inf"),
     "", " ", "1", "\x00", "\ud800", "é" * 90, "x" * 500, [], {}, [[]], [None], {"": {}}, [[[[[[1]]]]]]]
)  # fmt: skip
VALUES = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
CONTENT_TYPES = st.sampled_from(
    ["application/json", "application/json; charset=utf-8", "application/problem+json", "text/plain", "application/xml",
     "application/octet-stream", "multipart/form-data", "", ";", "é", "application/json, text/html", "x" * 5000]
)  # fmt: skip


def messages(model: Model) -> dict[str, Any]:
    """A proper message of every route that takes one, by its path."""
    row = dict(model.serving["example"]["row"])
    names, values = model.rows.names, [row[name] for name in model.rows.names]
    numeric = not any(isinstance(value, str) for value in values)
    columns = [
        {"name": name, "shape": [1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
        for name, value in zip(names, values, strict=True)
    ]
    matrix = {"name": "features", "shape": [1, len(names)], "datatype": "FP64", "data": values}
    infer = f"/v2/models/{model.name}/infer"
    return {
        "/predict": row,
        "/predict#list": [row, row],
        "/explain?budget_ms=1": row,
        "/api/v1.0/predictions": {"data": {"names": names, "ndarray": [values]}, "meta": {"puid": "p"}},
        "/api/v0.1/predictions": {"data": {"tensor": {"shape": [1, len(names)], "values": values}}},
        "/seldon/ns/name/api/v1.0/predictions": {"data": {"ndarray": [values]}},
        "/api/v1.0/feedback": {"reward": 1.0, "response": {"meta": {"tags": {"version": "1"}}}, "truth": {}},
        infer: {"id": "1", "inputs": columns, "outputs": [{"name": "label", "parameters": {"binary_data": True}}]},
        f"{infer}#matrix": {"inputs": [matrix if numeric else columns[0]]},
        f"/v2/models/{model.name}/versions/{model.version}/infer": {"inputs": columns},
        "/invocations": {"dataframe_split": {"columns": names, "data": [values]}},
        "/invocations#records": {"dataframe_records": [row]},
        "/invocations#instances": {"instances": [values]},
        "/invocations#inputs": {"inputs": {name: [value] for name, value in row.items()}},
    }


def encoded(value: Any) -> bytes:
    """JSON as Python writes it, NaN and lone surrogates included."""
    return json.dumps(value).encode()


@st.composite
def bodies(draw: st.DrawFn, message: Any) -> bytes:
    """A body that was a proper message once."""
    kind = draw(st.sampled_from(["value", "value", "value", "bytes", "cut", "twice", "deep", "digits", "any", "raw"]))
    body = encoded(message)
    match kind:
        case "value":
            return encoded(draw(changed(message)))
        case "bytes":
            at = draw(st.integers(0, len(body) - 1))
            return body[:at] + draw(st.binary(min_size=1, max_size=3)) + body[at + 1 :]
        case "cut":
            return body[: draw(st.integers(0, len(body) - 1))]
        case "twice":
            return body[:-1] + b"," + body[1:] if body[:1] == b"{" else body + body
        case "deep":
            return draw(st.sampled_from([b"[", b'{"a":', b'{"inputs":[', b'{"data":'])) * draw(st.integers(1, 20_000))
        case "digits":
            return body.replace(b"1", HUGE.encode(), 1)
        case "any":
            return encoded(draw(VALUES))
    return draw(st.binary(max_size=200))


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """The value with one of its parts left out, renamed or replaced."""
    if isinstance(value, Mapping) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        match draw(st.integers(0, 5)):
            case 0:
                return {key: kept for key, kept in value.items() if key != name}
            case 1:
                return {**value, draw(st.text(max_size=8)): draw(VALUES)}
        return {**value, name: draw(changed(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 5)) == 0:
            return value[:at] + value[at + 1 :]
        return [*value[:at], draw(changed(value[at])), *value[at + 1 :]]
    return draw(VALUES)
