"""What routes take and give: plain data between the ASGI application and the handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:  # it brings numpy, and the supervisor needs the options alone
    from serving.bundle import Model

JSON, PROBLEM = b"application/json", b"application/problem+json"
FORWARDED = b"x-forwarded-for"
LENGTH = b"inference-header-content-length"
"""How much of a body is JSON, where tensors follow it as bytes."""
ADMIN = "/traffic"
"""Which versions answer: for keys with the scope `admin` alone."""

Headers: TypeAlias = list[tuple[bytes, bytes]]


def by_name(headers: Headers) -> dict[bytes, bytes]:
    """Headers by their names in lower case; of a repeated one the last.

    Of `X-Forwarded-For` all lines, as if they were one (RFC 9110, 5.3): each proxy on the way may add its own.
    """
    found = dict(headers)
    if len(found) < len(headers) and FORWARDED in found:
        found[FORWARDED] = b",".join(value for name, value in headers if name == FORWARDED)
    return found


@dataclass(slots=True)
class Request:
    """One request with its whole body."""

    body: bytes
    id: str
    headers: Mapping[bytes, bytes]
    """As `by_name` has them."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """The named parts of the path."""
    query: bytes = b""
    """What follows the `?` of the address, as it came."""
    method: str = "POST"
    path: str = ""
    client: str = ""
    """The address that it came from."""


@dataclass(frozen=True, slots=True)
class Reward:
    """What a client says of an earlier answer."""

    value: float
    version: str
    """That gave the answer; empty if the client does not say."""


@dataclass(slots=True)
class Answer:
    """A response with status 200, and for the counters the predicted class of each row."""

    body: bytes
    predicted: Sequence[int] = ()
    content_type: bytes = JSON
    headers: Sequence[tuple[bytes, bytes]] = ()
    cache: bytes = b"no-store"
    """`Cache-Control`."""
    version: str = ""
    """Which version answered; the application writes it here."""
    reward: Reward | None = None


class Response(NamedTuple):
    """What goes back to the client."""

    status: int
    headers: Headers
    body: bytes


Handler: TypeAlias = "Callable[[Model, Request], Answer]"


@dataclass(frozen=True, slots=True)
class Route:
    """Where a handler is found.

    Args:
        method: GET (HEAD comes with it) or POST.
        path: With named parts in braces: `/v2/models/{model}/infer`. `{model}` and `{version}` are the traffic
            table's: an unknown one is 404 before the handler is called, and `{version}` names the version that answers.
        handler: Pure; a `Problem` is its way to say no.
        scope: What a key must allow; empty for what anyone may read.
        types: Media types of the body that it takes; none where they are not its business.
        threaded: Whether it takes too long for the event loop, so that a thread answers.
    """

    method: str
    path: str
    handler: Handler
    scope: str = "predict"
    types: Sequence[bytes] = (JSON,)
    threaded: bool = False

    def pattern(self) -> re.Pattern[str]:
        """The path as a pattern whose groups are its named parts."""
        return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))
