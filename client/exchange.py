"""What both clients send, and how both read what comes back."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from client.errors import REFUSALS, ClientError, NotServing, Refused, TooManyRequests, Unreachable, Unreadable
from client.messages import Explanation, Prediction, Problem, Row

KEY = "MODEL_API_KEY"
"""The environment variable of the API key."""
FIRST_PAUSE = 0.1
"""Seconds before the second attempt; twice as many before each further one."""

AnyRow: TypeAlias = Row | Mapping[str, Any]
Answered = TypeVar("Answered")

PREDICTION = TypeAdapter(Prediction)
PREDICTIONS = TypeAdapter(list[Prediction])
EXPLANATION = TypeAdapter(Explanation)


def connection(url: str, key: str | None, timeout: float, verify: ssl.SSLContext | bool) -> dict[str, Any]:
    """The arguments of an httpx client.

    Args:
        url: Base address of the server.
        key: API key or token; None for the one in the environment, if there is any.
        timeout: Seconds for connecting, and for each part of an answer.
        verify: How certificates are checked.

    Raises:
        ValueError: No header takes the key.
    """
    key = (key if key is not None else os.environ.get(KEY, "")).strip()
    if not (key.isascii() and key.isprintable()):  # httpx would say it, key and all, each time that it is sent
        raise ValueError("the key has characters that no header takes; send it as it was given out")
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
    return {"base_url": url, "headers": headers, "timeout": timeout, "verify": verify}


def one(row: AnyRow) -> bytes:
    """The body for one row.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(row, Row | Mapping):
        raise TypeError(f"one row is a mapping or a Row, not {type(row).__name__}; predict_many takes several")
    return json.dumps(_plain(row)).encode()


def many(rows: Sequence[AnyRow]) -> bytes:
    """The body for several rows.

    Raises:
        TypeError: It is one row.
    """
    if isinstance(rows, Row | Mapping):
        raise TypeError(f"several rows are a sequence, not {type(rows).__name__}; predict takes one")
    return json.dumps([_plain(row) for row in rows]).encode()


def _plain(row: AnyRow) -> Mapping[str, Any]:
    """A row as JSON has it; of a mapping the server judges every value."""
    return row.model_dump(mode="json", by_alias=True, exclude_unset=True) if isinstance(row, Row) else row


def read(response: httpx.Response, adapter: TypeAdapter[Answered]) -> Answered:
    """An answer.

    Raises:
        Refused: It is a problem document.
        Unreadable: It is neither.
    """
    try:
        if response.is_success:
            return adapter.validate_json(response.content)
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        kind = response.headers.get("content-type", "no content type")
        raise Unreadable(f"{response.url} answered {response.status_code} with {kind}, not as a model does") from None
    wait = response.headers.get("retry-after", "")
    raise REFUSALS.get(problem.status, Refused)(problem, float(wait) if wait.isdigit() else None)


def pause(error: ClientError, attempt: int) -> float | None:
    """Seconds to wait after a failed attempt, counted from 0; None where another one would not help.

    Asking again is safe: no request of these clients changes anything at the server.
    """
    if not isinstance(error, Unreachable | TooManyRequests | NotServing):
        return None
    own = FIRST_PAUSE * 2.0**attempt
    return max(own, error.retry_after or 0.0) if isinstance(error, Refused) else own
