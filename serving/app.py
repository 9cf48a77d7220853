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

from serving.bundle import Model
from serving.log import LOGGER
from serving.metrics import CONTENT_TYPE, Metrics, exposition
from serving.predictions import Answer, predict, predict_seldon
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
Predict = Callable[[Model, bytes, str], Answer]
Headers = list[tuple[bytes, bytes]]

PREDICT: Mapping[str, Predict] = {
    "/predict": predict,
    "/api/v0.1/predictions": predict_seldon,
    "/api/v1.0/predictions": predict_seldon,
}
READ = ("/health", "/health/live", "/health/ready", "/metrics")
PATHS = (*PREDICT, *READ)
SELDON_PREFIX = re.compile(r"^/seldon/[^/]+/[^/]+(?=/api/)")
JSON, PROBLEM = b"application/json", b"application/problem+json"
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
        self._prefix, self._numbers = os.urandom(8).hex().encode(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        content_type, length, request_id = b"", b"", b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                length = value
            elif name == b"x-request-id" and REQUEST_ID.fullmatch(value):
                request_id = value
        request_id = request_id or b"%s-%x" % (self._prefix, next(self._numbers))  # as unique as a uuid, cheaper
        path: str = scope["path"]
        headers: Headers = []
        try:
            handler = PREDICT.get(path) or PREDICT.get(path := SELDON_PREFIX.sub("", path))
            if handler is not None and scope["method"] == "POST":
                _check_type(content_type)
                body = await self._body(receive, length)
                if body is None:
                    return
                status, kind, out = 200, JSON, await self._predict(handler, body, request_id.decode())
            else:
                status, kind, out = self._read(path, scope["method"])
        except Problem as problem:
            status, kind, out = int(problem.status), PROBLEM, problem.body(request_id.decode())
            headers = list(problem.headers)
        except Exception:  # noqa: BLE001  whatever fails in a request, the next one is served
            LOGGER.exception("request %s failed", request_id.decode())
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "the server failed; its log has this request id")
            status, kind, out = 500, PROBLEM, fault.body(request_id.decode())
        self.metrics.responses[path if path in PATHS else "other", status] += 1
        size = str(len(out)).encode()
        headers += [(b"content-type", kind), (b"content-length", size), (b"x-request-id", request_id)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else out})

    async def _predict(self, handler: Predict, body: bytes, request_id: str) -> bytes:
        model = self.table.current
        if model is None:
            raise _no_model(self.table.error)
        started = perf_counter()
        if len(body) <= INLINE_BODY:
            answer = handler(model, body, request_id)
        else:
            answer = await asyncio.to_thread(handler, model, body, request_id)
        self.metrics.of(model).observe(answer.predicted, perf_counter() - started)
        return answer.body

    async def _body(self, receive: Receive, length: bytes) -> bytes | None:
        """The whole body, or None when the client has gone."""
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

    def _read(self, path: str, method: str) -> tuple[int, bytes, bytes]:
        """The routes that are not predictions, and the refusal of all others."""
        if path not in PATHS:
            detail = f"there is nothing at {path[:80]!r}{did_you_mean(path, PATHS)}"
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", detail)
        allowed = "POST" if path in PREDICT else "GET, HEAD"
        if method not in allowed.split(", ") or path in PREDICT:
            detail = f"{path} takes {allowed}, not {method[:20]}"
            headers = [(b"allow", allowed.encode())]
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail, headers=headers)
        if path == "/metrics":
            snapshots = [self.metrics.snapshot(), *self.siblings()]
            return 200, CONTENT_TYPE, exposition(snapshots, self.table.current)
        if path == "/health/live":
            return 200, JSON, b'{"status":"alive"}'
        model = self.table.current
        if model is None:
            raise _no_model(self.table.error)
        health = {"status": "ready", "model": model.name, **self.table.acknowledgement()}
        return 200, JSON, msgspec.json.encode(health)


def _check_type(content_type: bytes) -> None:
    if not content_type or content_type == JSON:
        return
    kind = content_type.split(b";")[0].strip().lower()
    if kind != JSON and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        shown = kind.decode("latin-1")[:80]
        detail = f"content-type is {shown!r}; send application/json"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def _no_model(reason: str) -> Problem:
    detail = f"no model serves yet{f': {reason}' if reason else ''}"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-model", detail)
