"""The ASGI application: what every request passes on its way in and out."""

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

from serving.body import Receive, read_body
from serving.bundle import Model
from serving.dispatch import READ, check_type, find, refusal
from serving.http import PROBLEM, Answer, Headers, Request, Route
from serving.log import LOGGER
from serving.metrics import CONTENT_TYPE, Metrics, exposition
from serving.problems import Problem
from serving.request_log import RequestLog
from serving.shadow import Shadow
from serving.traffic import Routing, TrafficTable

MAX_BODY = 4 * 1024 * 1024
INLINE_BODY = 64 * 1024
"""A larger body is answered in a thread, so that it does not hold up the small ones."""
REQUEST_ID = re.compile(rb"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""Visible ASCII that JSON takes as it is."""

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class App:
    """The application of one worker.

    Args:
        table: Says which model answers.
        metrics: This worker's counters.
        siblings: Gives the counters of the other workers of this server.
        log: Takes a line per request.
        max_body: Largest request body, in bytes.
    """

    def __init__(
        self,
        table: TrafficTable,
        metrics: Metrics,
        siblings: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
        log: RequestLog | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        self.table, self.metrics, self.siblings, self.max_body = table, metrics, siblings, max_body
        self.log = log or RequestLog()
        self._shadow = Shadow(metrics)
        self._prefix, self._numbers = os.urandom(8).hex(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        started = perf_counter()
        given = dict(scope["headers"])
        request_id, path, status = self._request_id(given), scope["path"], 200
        route: Route | None = None
        try:
            route, parameters = find(scope["method"], path)
            if route is None:
                answer = self._read(path, scope["method"])
            else:
                body = await read_body(receive, given, self.max_body) if route.method == "POST" else b""
                if body is None:
                    return
                if body:
                    check_type(route, given.get(b"content-type", b""))
                query = scope.get("query_string", b"")
                answer = await self.answer(route, Request(body, request_id, given, parameters, query))
        except Problem as problem:
            status = int(problem.status)
            answer = Answer(problem.body(request_id), content_type=PROBLEM, headers=problem.headers)
        except Exception:  # noqa: BLE001  whatever fails in a request, the next one is served
            LOGGER.exception("request %s failed", request_id)
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "the server failed; its log has this request id")
            status, answer = 500, Answer(fault.body(request_id), content_type=PROBLEM)
        name = route.path if route else path if path in READ else "other"
        self.metrics.responses[name, status] += 1
        headers: Headers = [
            *answer.headers,
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})
        self.log.answered(request_id, name, status, perf_counter() - started, answer.version, len(answer.predicted))

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._numbers):x}"  # as unique as a uuid, cheaper

    async def answer(self, route: Route, request: Request) -> Answer:
        """What the version that the traffic plan chooses says; a challenger's failure is answered by the champion.

        Raises:
            Problem: The request does not fit, no model serves, or the path names another.
        """
        routing = self.table.routing
        if routing is None:
            raise _no_model(self.table.error)
        model = routing.champion
        if request.parameters and (named := _named(routing, request.parameters)):
            model = named
        elif routing.challengers:
            model = routing.choose(request.headers, request.id)
        started = perf_counter()
        try:
            answer = await _call(route, model, request)
        except Problem:
            raise
        except Exception:
            if model is routing.champion:
                raise
            LOGGER.exception("version %s failed at request %s; the champion answers", model.version, request.id)
            self.metrics.of(model).failed += 1
            self.table.answered(model, perf_counter() - started, failed=True)
            model, started = routing.champion, perf_counter()
            answer = await _call(route, model, request)
        if answer.predicted:
            seconds = perf_counter() - started
            self.metrics.of(model).observe(answer.predicted, seconds)
            if model is not routing.champion:
                self.table.answered(model, seconds, failed=False)
            self.log.sample(request, route.path, model.version, answer)
            for shadow in routing.shadows:
                self._shadow.copy(shadow, route, request, answer.predicted)
        answer.version, answer.headers = model.version, (*answer.headers, *model.headers)
        return answer

    def _read(self, path: str, method: str) -> Answer:
        """What tells of the server itself; anything else is refused."""
        if path not in READ or method not in ("GET", "HEAD"):
            raise refusal(method, path)
        if path == "/metrics":
            models = self.table.routing.models() if self.table.routing else []
            self.metrics.lost = self.log.lost
            return Answer(exposition([self.metrics.snapshot(), *self.siblings()], models), content_type=CONTENT_TYPE)
        if path == "/health/live":
            return Answer(b'{"status":"alive"}')
        if self.table.routing is None:
            raise _no_model(self.table.error)
        model = self.table.routing.champion
        return Answer(msgspec.json.encode({"status": "ready", "model": model.name, **self.table.acknowledgement()}))


async def _call(route: Route, model: Model, request: Request) -> Answer:
    if len(request.body) <= INLINE_BODY and not route.threaded:
        return route.handler(model, request)
    return await asyncio.to_thread(route.handler, model, request)


def _named(routing: Routing, parameters: Mapping[str, str]) -> Model | None:
    """The version that the path names; None if it leaves that to the traffic plan."""
    version = parameters.get("version")
    if parameters.get("model", routing.champion.name) == routing.champion.name:
        if version is None:
            return None
        for model in routing.models():
            if model.version == version:
                return model
    serving = ", ".join(f"{model.name} version {model.version}" for model in routing.models())
    detail = f"{serving} is here, not {' version '.join(parameters.values())[:100]}"
    raise Problem(HTTPStatus.NOT_FOUND, "no-such-model", detail)


def _no_model(reason: str) -> Problem:
    detail = f"no model serves yet{f': {reason}' if reason else ''}"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-model", detail)
