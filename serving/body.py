"""Read a request's body, up to a limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from serving.problems import Problem

DRAINED = 8
"""Up to so many times the largest body is read and dropped: a client still sending would miss the answer."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], largest: int) -> bytes | None:
    """The whole body, or None when the client has gone.

    Args:
        receive: As ASGI has it.
        headers: Of the request, names in lower case.
        largest: Bytes.

    Raises:
        Problem: It is larger.
    """
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:20]) > DRAINED * largest:
        raise _too_large(largest)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= largest:
        return bytes(message["body"])
    parts, size = [message.get("body", b"")], len(message.get("body", b""))
    while message["type"] == "http.request" and message.get("more_body") and size <= DRAINED * largest:
        message = await receive()
        size += len(message.get("body", b""))
        if size <= largest:
            parts.append(message.get("body", b""))
    if message["type"] != "http.request":
        return None
    if size > largest:
        raise _too_large(largest)
    return b"".join(parts)


def _too_large(largest: int) -> Problem:
    detail = f"the body is larger than {largest} bytes; send fewer rows per request"
    headers = [(b"connection", b"close")]  # some of it may be unread, so no other request can follow
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail, headers=headers)
