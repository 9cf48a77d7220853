"""Requests from web pages of other hosts (CORS): none, unless their origin was named at the start."""

from __future__ import annotations

from collections.abc import Collection

from serving.http import Answer, Headers, Request

ASKED = b"content-type, x-api-key, authorization, x-request-id, x-user-id"


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
