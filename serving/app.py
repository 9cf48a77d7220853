"""What every request passes on its way in and out, however it came."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from http import HTTPStatus
from time import perf_counter
from typing import Any

import msgspec

from serving.access import Access
from serving.body import Receive, read_body
from serving.bundle import Model
from serving.cors import cors_headers, preflight
from serving.dispatch import LIVE, READ, check_type, find, refusal
from serving.http import ADMIN, PROBLEM, Answer, Headers, Request, Response, Reward, Route, by_name
from serving.log import LOGGER
from serving.metrics import CONTENT_TYPE, Metrics, exposition
from serving.plan import Routing
from serving.problems import Problem
from serving.request_log import RequestLog
from serving.shadow import Shadow
from serving.traffic import TrafficTable

MAX_BODY = 4 * 1024 * 1024
INLINE_BODY = 64 * 1024
"""A larger body is answered in a thread, so that it does not hold up the small ones."""
REQUEST_ID = re.compile(rb"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
"""Visible ASCII that JSON takes as it is."""
SECURITY: Headers = [(b"x-content-type-options", b"nosniff")]

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
        access: Says who may ask; without it anyone may.
        origins: Web pages of other hosts that may ask.
        tls: Whether clients come over TLS.
    """

    def __init__(
        self,
        table: TrafficTable,
        metrics: Metrics,
        siblings: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
        log: RequestLog | None = None,
        max_body: int = MAX_BODY,
        access: Access | None = None,
        origins: Collection[str] = (),
        tls: bool = False,
    ) -> None:
        self.table, self.metrics, self.siblings, self.max_body = table, metrics, siblings, max_body
        self.log, self.access, self.origins = log or RequestLog(), access or Access(origins=origins), frozenset(origins)
        self.security = [*SECURITY, (b"strict-transport-security", b"max-age=31536000")] if tls else SECURITY
        self.largest_direct = -1 if self.access.waits else min(INLINE_BODY, max_body)
        """Largest body, in bytes, with which `respond` never waits for anything."""
        self._shadow = Shadow(metrics)
        self._prefix, self._numbers = os.urandom(8).hex(), itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, as ASGI has it."""
        if scope["type"] != "http":
            return
        client = scope.get("client")
        headers = by_name(scope["headers"])
        request = Request(b"", "", headers, query=scope.get("query_string", b""), method=scope["method"])
        request.path, request.client = scope["path"], client[0] if client else ""
        response = await self.respond(request, receive)
        if response is None:
            return
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else response.body})

    async def respond(
        self, request: Request, receive: Receive | None = None, route: Route | None = None
    ) -> Response | None:
        """Answer one request; None when its client has gone.

        Args:
            request: Without an id yet; its body is read from `receive` if there is one.
            receive: As ASGI has it.
            route: Where it is not the path that says so.
        """
        started, status = perf_counter(), 200
        limits: Headers = []
        request.id = self._request_id(request.headers)
        if route is None:
            route, request.parameters = find(request.method, request.path)
        try:
            scope = route.scope if route else "admin" if request.path == ADMIN else ""
            if scope:
                access = self.access
                limits = await access.admit_waiting(request, scope) if access.waits else access.admit(request, scope)
            if route is None:
                answer = self._read(request)
            else:
                if receive is not None and route.method == "POST":
                    body = await read_body(receive, request.headers, self.max_body)
                    if body is None:
                        return None
                    request.body = body
                if request.body and route.types:
                    check_type(route, request.headers)
                answer = await self.answer(route, request)
        except Problem as problem:
            status = int(problem.status)
            answer = Answer(problem.body(request.id), content_type=PROBLEM, headers=problem.headers)
        except Exception:  # noqa: BLE001  whatever fails in a request, the next one is served
            LOGGER.exception("request %s failed", request.id)
            fault = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "the server failed; its log has this request id")
            status, answer = 500, Answer(fault.body(request.id), content_type=PROBLEM)
        name = route.path if route else request.path if request.path in READ else "other"
        self.metrics.responses[name, status] += 1
        headers: Headers = [
            *answer.headers,
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(answer.body)),
            (b"cache-control", answer.cache),
            (b"x-request-id", request.id.encode()),
            *self.security,
            *limits,
        ]
        if self.origins:
            headers += cors_headers(request, self.origins)
        self.log.answered(request.id, name, status, perf_counter() - started, answer.version, len(answer.predicted))
        return Response(status, headers, answer.body)

    def refused(self, problem: Problem) -> Response:
        """What goes back where no request could be read; counted and written down as one."""
        request_id, status = self._request_id({}), int(problem.status)
        self.metrics.responses["other", status] += 1
        self.log.answered(request_id, "other", status, 0.0, "", 0)
        body = problem.body(request_id)
        headers = [(b"content-type", PROBLEM), (b"content-length", b"%d" % len(body)), *self.security]
        return Response(status, [*headers, (b"x-request-id", request_id.encode())], body)

    def _request_id(self, headers: Mapping[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and REQUEST_ID.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._numbers):x}"  # as unique as a uuid, cheaper

    async def answer(self, route: Route, request: Request) -> Answer:
        """What the version that the traffic plan chooses says; what a challenger fails the champion answers.

        Raises:
            Problem: The request does not fit, no model serves, or the path names another.
        """
        routing = self.table.routing
        if routing is None:
            raise _no_model(self.table.error)
        named = routing.named(request.parameters) if request.parameters else None
        model = named or (routing.choose(request.headers, request.id) if routing.challengers else routing.champion)
        started = perf_counter()
        try:
            answer = await _call(route, model, request)
        except Problem as problem:
            problem.headers = (*problem.headers, *model.headers)
            if model is named or model is routing.champion:
                raise
            challenger, seconds = model, perf_counter() - started
            model, started = routing.champion, perf_counter()
            try:
                answer = await _call(route, model, request)
            except Problem:  # it is the request that is wrong
                raise problem from None
            LOGGER.error("version %s refuses request %s, which the champion answers", challenger.version, request.id)
            self._failed(challenger, seconds)
        except Exception:
            if model is routing.champion:
                raise
            LOGGER.exception("version %s failed at request %s; the champion answers", model.version, request.id)
            self._failed(model, perf_counter() - started)
            model, started = routing.champion, perf_counter()
            answer = await _call(route, model, request)
        if answer.predicted:
            seconds = perf_counter() - started
            self.metrics.of(model).observe(answer.predicted, seconds)
            if routing.watches:
                self.table.answered(model, seconds, False, answer.predicted)
            self.log.sample(request, route.path, model.version, answer)
            for shadow in routing.shadows:
                self._shadow.copy(shadow, route, request, answer.predicted)
        elif answer.reward is not None:
            self.log.sample(request, route.path, self._reward(routing, answer.reward), answer)
        answer.version, answer.headers = model.version, (*answer.headers, *model.headers)
        return answer

    def _failed(self, challenger: Model, seconds: float) -> None:
        self.metrics.of(challenger).failed += 1
        self.table.answered(challenger, seconds, failed=True)

    def _reward(self, routing: Routing, reward: Reward) -> str:
        """Count it for the version that it is for, and give that; nothing if it is not here any more."""
        for model in routing.models():
            if reward.version in ("", model.version):
                tally = self.metrics.of(model)
                tally.feedback, tally.reward = tally.feedback + 1, tally.reward + reward.value
                return model.version
        return ""

    def _read(self, request: Request) -> Answer:
        """What tells of the server itself; anything else is refused."""
        path, routing = request.path, self.table.routing
        if self.origins and request.method == "OPTIONS":
            return preflight(request, self.origins)
        if path not in READ or request.method not in ("GET", "HEAD"):
            raise refusal(request.method, path)
        if path == "/metrics":
            self.metrics.lost = self.log.lost
            models = routing.models() if routing else []
            return Answer(exposition([self.metrics.snapshot(), *self.siblings()], models), content_type=CONTENT_TYPE)
        if path == ADMIN:
            return Answer(msgspec.json.encode(self.table.state()))
        if path in LIVE:
            return Answer(b'{"status":"alive"}')
        if routing is None:
            raise _no_model(self.table.error)
        said = {"status": "ready", "ready": True, "model": routing.champion.name, **self.table.acknowledgement()}
        return Answer(msgspec.json.encode(said))


async def _call(route: Route, model: Model, request: Request) -> Answer:
    if len(request.body) <= INLINE_BODY and not route.threaded:
        return route.handler(model, request)
    return await asyncio.to_thread(route.handler, model, request)


def _no_model(reason: str) -> Problem:
    detail = f"no model serves yet{f': {reason}' if reason else ''}"
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-model", detail)
