"""Requests from web pages of other hosts (CORS): none, unless their origin was named at the start."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

from serving.http import Answer, Headers, Request
from serving.problems import Problem

ASKED = b"content-type, x-api-key, authorization, x-request-id, x-user-id"


@lru_cache(1024)
def _is_of_this_machine(origin: bytes) -> bool:
    try:
        host = urlsplit(origin.decode("latin-1")).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def check_page(origin: bytes, origins: Collection[str]) -> None:
    """Refuse a page of another host that asks a server which is open to this machine.

    Every page that somebody here looks at could otherwise ask it, and read the answers if its host's name is turned
    to this machine (DNS rebinding). A browser names the page's origin with each POST; programs name none.

    Raises:
        Problem: The page is none of this machine's and was not named at the start.
    """
    if not _is_of_this_machine(origin) and origin.decode("latin-1") not in origins:
        detail = f"pages of {origin[:100].decode('latin-1')!r} may not ask here; --cors-origins names those that may"
        raise Problem(HTTPStatus.FORBIDDEN, "other-origin", detail)


def cors_headers(request: Request, origins: Collection[str]) -> Headers:
    """Headers that let a page of one of these origins read the answer."""
    origin = request.headers.get(b"origin", b"")
    if origin.decode("latin-1") not in origins:
        return []
    exposed = b"x-request-id, x-model-name, x-model-version, ratelimit, retry-after"
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", exposed),
        (b"vary", b"origin"),
    ]


def preflight(request: Request, origins: Collection[str]) -> Answer:
    """The answer to a browser that asks whether it may ask."""
    if not cors_headers(request, origins):
        return Answer(b"")
    allowed = [(b"access-control-allow-methods", b"GET, POST"), (b"access-control-allow-headers", ASKED)]
    return Answer(b"", headers=[*allowed, (b"access-control-max-age", b"600")])
