"""Which handler a request is for: every route of the server, found by method and path."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus

from serving import explain, mlflow_scoring, open_inference, openapi, pages, predictions, seldon
from serving.http import ADMIN, JSON, Route
from serving.problems import Problem, did_you_mean

ROUTES: Sequence[Route] = (
    *predictions.ROUTES,
    *explain.ROUTES,
    *seldon.ROUTES,
    *open_inference.ROUTES,
    *mlflow_scoring.ROUTES,
    *openapi.ROUTES,
    *pages.ROUTES,
)
LIVE, READY = ("/health/live", "/v2/health/live"), ("/health", "/health/ready", "/v2/health/ready", "/ping")
READ = (*LIVE, *READY, "/metrics", ADMIN)
"""What the application answers without a handler, GET and HEAD alone."""
SELDON_PREFIX = re.compile(r"^/seldon(?:/[^/]+){1,2}(?=/(?:api|v2)/)")
"""`/seldon/NAMESPACE/NAME`; its client leaves the namespace out where it has none."""

_exact = {(route.method, route.path): route for route in ROUTES}
_patterns = [(route.pattern(), route) for route in ROUTES if "{" in route.path]


@lru_cache(1024)
def direct(url: bytes) -> tuple[str, Route, Mapping[str, str]] | None:
    """Path, route and named parts of a POST that may be answered where its bytes are read.

    None where a thread answers, or the address has a query or an escape.
    """
    path = url.decode("latin-1")
    route, parameters = find("POST", path)
    return None if route is None or route.threaded or b"%" in url else (path, route, parameters)


def find(method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
    """The route of a request and the named parts of its path; None where there is none."""
    route = _exact.get((method, path))
    if route is not None:
        return route, {}
    method, path = "GET" if method == "HEAD" else method, SELDON_PREFIX.sub("", path)
    route = _exact.get((method, path))
    if route is not None:
        return route, {}
    for pattern, route in _patterns:
        if route.method == method and (found := pattern.fullmatch(path)):
            return route, found.groupdict()
    return None, {}


def refusal(method: str, path: str) -> Problem:
    """Why a request has no route: there is nothing at its path, or not for its method."""
    plain = SELDON_PREFIX.sub("", path)
    allowed = ["GET"] if path in READ else [route.method for route in ROUTES if route.pattern().fullmatch(plain)]
    if allowed:
        listed = ", ".join("GET, HEAD" if found == "GET" else found for found in allowed)
        detail = f"{path[:80]} takes {listed}, not {method[:20]}"
        headers = [(b"allow", listed.encode())]
        return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail, headers=headers)
    known = [*READ, *(route.path for route in ROUTES)]
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"there is nothing at {path[:80]!r}{did_you_mean(path, known)}")


def check_type(route: Route, headers: Mapping[bytes, bytes]) -> None:
    """Refuse a body that is compressed, or of a media type that the route does not take; none given is the first.

    Raises:
        Problem: It is another.
    """
    encoding = headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        detail = f"content-encoding is {encoding.decode('latin-1')[:80]!r}; send the body as it is"
        accepted = [(b"accept-encoding", b"identity")]  # RFC 9110, 15.5.16
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail, headers=accepted)
    content_type = headers.get(b"content-type", b"")
    if not content_type or content_type in route.types:
        return
    kind = content_type.split(b";")[0].strip().lower()
    if kind in route.types or (JSON in route.types and kind.startswith(b"application/") and kind.endswith(b"+json")):
        return
    detail = f"content-type is {kind.decode('latin-1')[:80]!r}; send {b' or '.join(route.types).decode()}"
    raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
