"""The ASGI application: routes, limits, request ids; everything a prediction passes on its way in and out."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from time import perf_counter
from typing import Any

import msgspec

from serving import predictions, seldon
from serving.http import JSON, PROBLEM, Answer, Headers, Request, Route
from serving.log import LOGGER
from serving.metrics import CONTENT_TYPE, Metrics, exposition
from serving.problems import Problem, did_you_mean
from serving.traffic import TrafficTable

MAX_BODY = 4 * 1024 * 1024
DRAINED = 8
"""Up to so many times the largest body is read and dropped: a client still sending would miss the answer."""
INLINE_BODY = 64 * 1024
"""A larger body is answered in a thread, so that it does not hold up the small ones."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ROUTES = (*predictions.ROUTES, *seldon.ROUTES)
READ = ("/health", "/health/live", "/health/ready", "/metrics")
SELDON_PREFIX = re.compile(r"^/seldon/[^/]+/[^/]+(?=/(?:api|v2)/)")
REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


class App:
    """The application of one worker.

    Args:
        table: Says which model answers.
        metrics: This worker's counters.
        siblings: Gives the counters of the other workers of this server.
        max_body: Largest request body, in bytes.
    """

    def __init__(
        self,
        table: TrafficTable,
        metrics: Metrics,
        siblings: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
        max_body: int = MAX_BODY,
    ) -> None:
        self.table, self.metrics, self.siblings, self.max_body = table, metrics, siblings, max_body
        self._prefix, self._numbers = os.urandom(8).hex(), itertools.count(1)
        self._exact = {(route.method, route.path): route for route in ROUTES}
        self._patterns = [(route.pattern(), route) for route in ROUTES if "{" in route.path]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        given = dict(scope["headers"])
        request_id, path, status = self._request_id(given), scope["path"], 200
        route: Route | None = None
        try:
            route, parameters = self._find(scope["method"], path)
            if route is None:
                answer = self._read(path, scope["method"])
            else:
                body = await self._body(receive, given) if route.method == "POST" else b""
                if body is None:
                    return
                if body:
                    _check_type(route, given.get(b"content-type", b""))
                answer = await self._answer(route, Request(body, request_id, given, parameters))
        except Problem as problem:
            status = int(problem.status)
            answer = Answer(problem.body(request_id), content_type=PROBLEM, headers=problem.headers)
        except Exception:  # noqa: BLE001  whatever fails in a request, the next one is served
            LOGGER.exception("request %s failed", request_id)
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "the server failed; its log has this request id")
            status, answer = 500, Answer(fault.body(request_id), content_type=PROBLEM)
        self.metrics.responses[route.path if route else path if path in READ else "other", status] += 1
        headers: Headers = [
            *answer.headers,
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._numbers):x}"  # as unique as a uuid, cheaper

    def _find(self, method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
        """The route of a request, and the named parts of its path."""
        method = "GET" if method == "HEAD" else method
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        path = SELDON_PREFIX.sub("", path)
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        for pattern, route in self._patterns:
            if route.method == method and (found := pattern.fullmatch(path)):
                return route, found.groupdict()
        return None, {}

    async def _answer(self, route: Route, request: Request) -> Answer:
        model = self.table.current
        if model is None:
            raise _no_model(self.table.error)
        asked = request.parameters
        if asked and (asked.get("model", model.name), asked.get("version", model.version)) != (
            model.name,
            model.version,
        ):
            detail = f"{model.name} version {model.version} serves here, not {' version '.join(asked.values())}"
            raise Problem(HTTPStatus.NOT_FOUND, "no-such-model", detail[:200])
        started = perf_counter()
        if len(request.body) <= INLINE_BODY:
            answer = route.handler(model, request)
        else:
            answer = await asyncio.to_thread(route.handler, model, request)
        if answer.predicted:
            self.metrics.of(model).observe(answer.predicted, perf_counter() - started)
        return answer

    async def _body(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes | None:
        """The whole body, or None when the client has gone."""
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > DRAINED * self.max_body:
            raise self._too_large()
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= self.max_body:
            return bytes(message["body"])
        parts, size = [message.get("body", b"")], len(message.get("body", b""))
        while message["type"] == "http.request" and message.get("more_body") and size <= DRAINED * self.max_body:
            message = await receive()
            size += len(message.get("body", b""))
            if size <= self.max_body:
                parts.append(message.get("body", b""))
        if message["type"] != "http.request":
            return None
        if size > self.max_body:
            raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> Problem:
        detail = f"the body is larger than {self.max_body} bytes; send fewer rows per request"
        headers = [(b"connection", b"close")]  # some of it may be unread, so no other request can follow
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail, headers=headers)

    def _read(self, path: str, method: str) -> Answer:
        """The routes that tell of the server itself, and the refusal of all others."""
        if path not in READ:
            raise self._refusal(path, method)
        if method not in ("GET", "HEAD"):
            raise _method_not_allowed(path, method, ["GET, HEAD"])
        if path == "/metrics":
            snapshots = [self.metrics.snapshot(), *self.siblings()]
            return Answer(exposition(snapshots, self.table.current), content_type=CONTENT_TYPE)
        if path == "/health/live":
            return Answer(b'{"status":"alive"}')
        model = self.table.current
        if model is None:
            raise _no_model(self.table.error)
        return Answer(msgspec.json.encode({"status": "ready", "model": model.name, **self.table.acknowledgement()}))

    def _refusal(self, path: str, method: str) -> Problem:
        plain = SELDON_PREFIX.sub("", path)
        matching = [route.method for route in ROUTES if route.pattern().fullmatch(plain)]
        if matching:
            return _method_not_allowed(path, method, ["GET, HEAD" if found == "GET" else found for found in matching])
        known = [*READ, *(route.path for route in ROUTES)]
        detail = f"there is nothing at {path[:80]!r}{did_you_mean(path, known)}"
        return Problem(HTTPStatus.NOT_FOUND, "not-found", detail)


def _check_type(route: Route, content_type: bytes) -> None:
    if not content_type or content_type in route.types:
        return
    kind = content_type.split(b";")[0].strip().lower()
    if kind in route.types or (JSON in route.types and kind.startswith(b"application/") and kind.endswith(b"+json")):
        return
    detail = f"content-type is {kind.decode('latin-1')[:80]!r}; send {b' or '.join(route.types).decode()}"
    raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def _method_not_allowed(path: str, method: str, allowed: list[str]) -> Problem:
    listed = ", ".join(allowed)
    detail = f"{path[:80]} takes {listed}, not {method[:20]}"
    headers = [(b"allow", listed.encode())]
    return Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail, headers=headers)


def _no_model(reason: str) -> Problem:
    detail = f"no model serves yet{f': {reason}' if reason else ''}"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-model", detail)
