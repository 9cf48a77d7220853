"""Seldon's V1 protocol over REST: rows as `data.ndarray` or `data.tensor`, answered in the same form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from serving.bundle import Model
from serving.http import Answer, Request, Reward, Route
from serving.problems import Violation, invalid, malformed
from serving.rows import parse

MOST_REWARD = 1e6
ECHOED = {"metrics": list, "requestPath": dict}
"""Parts of `meta`, beside the id and the tags, that come back as they were sent."""

_encode = msgspec.json.Encoder().encode


def predict(model: Model, request: Request) -> Answer:
    """`POST /api/v1.0/predictions`: rows as `data.ndarray` or `data.tensor`, answered in the same form.

    Columns stand in contract order unless `data.names` says otherwise.

    Raises:
        Problem: The body is not such a message, or a value does not fit the contract.
    """
    message = parse(request.body)
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(data, dict):
        raise malformed('expected {"data": {"ndarray": [[...]]}} or {"data": {"tensor": {...}}}')
    names = _names(model, data)
    table = _tensor(data["tensor"]) if "tensor" in data else _ndarray(data)
    for number, row in enumerate(table, start=1):
        if len(row) != len(names):
            raise malformed(f"row {number} has {len(row)} values, expected {len(names)}: {', '.join(names)}")
    rows = model.rows.check_table(names, table)
    values = [model.one(rows[0])] if len(rows) == 1 else model.probabilities(rows).tolist()
    answer: dict[str, Any] = {"names": list(model.classes)}
    if "tensor" in data:
        flat = [value for row in values for value in row]
        answer["tensor"] = {"shape": [len(values), len(model.classes)], "values": flat}
    else:
        answer["ndarray"] = values
    return _reply({"data": answer, "meta": _meta(model, message, request.id)}, [model.choose(row) for row in values])


def feedback(model: Model, request: Request) -> Answer:
    """`POST /api/v1.0/feedback`: how good an earlier answer was, and what would have been right.

    The reward is counted for the version that `response.meta.tags.version` names; the message is kept with the
    sampled requests.

    Raises:
        Problem: The body is not such a message.
    """
    message = parse(request.body)
    if not isinstance(message, dict):
        raise malformed('expected {"reward": 1.0, "response": {...}, "truth": {...}}')
    reward = message.get("reward", 0.0)
    if isinstance(reward, bool) or not isinstance(reward, int | float) or not abs(reward) <= MOST_REWARD:
        raise invalid([Violation("reward", reward, f"a number from -{MOST_REWARD:g} to {MOST_REWARD:g}")])
    response = message.get("response")
    version = ""
    if isinstance(response, dict):
        meta = response.get("meta")
        tags = meta.get("tags") if isinstance(meta, dict) else None
        version = str(tags.get("version", "")) if isinstance(tags, dict) else ""
    answer = _reply({"meta": _meta(model, response, request.id)}, ())
    answer.reward = Reward(float(reward), version)
    return answer


def _meta(model: Model, message: object, request_id: str) -> dict[str, Any]:
    """What the client said of its request comes back, as Seldon's wrapper has it; tags say who answered, too."""
    tags = {"model": model.name, "version": model.version}
    meta = message.get("meta") if isinstance(message, dict) else None
    if not isinstance(meta, dict):
        return {"puid": request_id, "tags": tags}
    puid, given = meta.get("puid"), meta.get("tags")
    echoed = {name: meta[name] for name, kind in ECHOED.items() if isinstance(meta.get(name), kind) and meta[name]}
    own = {**given, **tags} if isinstance(given, dict) else tags
    return {"puid": puid if isinstance(puid, str) and puid else request_id, "tags": own, **echoed}


def _reply(reply: dict[str, Any], predicted: Sequence[int]) -> Answer:
    try:
        return Answer(_encode(reply), predicted)
    except (UnicodeError, RecursionError):
        raise malformed("meta is not valid text, or nested too deep") from None


def _names(model: Model, data: dict[str, Any]) -> list[str]:
    names = data.get("names") or model.rows.names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise malformed("data.names is not a list of column names")
    if len(set(names)) < len(names):
        raise malformed("data.names lists a column twice")
    return names


def _ndarray(data: dict[str, Any]) -> list[list[Any]]:
    table = data.get("ndarray")
    if not isinstance(table, list) or not all(isinstance(row, list) for row in table):
        raise malformed("data.ndarray is not a list of rows, each a list of values")
    return table


def _tensor(tensor: Any) -> list[list[Any]]:
    shape = tensor.get("shape") if isinstance(tensor, dict) else None
    values = tensor.get("values") if isinstance(tensor, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not isinstance(values, list):
        raise malformed('data.tensor is not {"shape": [rows, columns], "values": [...]}')
    if not all(type(size) is int and size >= 0 for size in shape) or shape[0] * shape[1] != len(values):
        raise malformed(f"data.tensor has {len(values)} values, which shape {shape} does not hold"[:200])
    width = shape[1]
    return [values[start : start + width] for start in range(0, len(values), width)] if width else []


ROUTES = (
    Route("POST", "/api/v0.1/predictions", predict),
    Route("POST", "/api/v1.0/predictions", predict),
    Route("POST", "/api/v0.1/feedback", feedback),
    Route("POST", "/api/v1.0/feedback", feedback),
)
