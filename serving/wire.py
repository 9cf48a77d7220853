"""The HTTP/1.1 protocol: uvicorn's, with a short cut for small requests and limits on slow and long ones.

A small POST is answered in the callback that parsed its last byte. There is no task, queue or scope for it, which
is half of what such a request costs. `App.respond` never waits for one, so its coroutine ends at the first step.
Whatever else comes in takes uvicorn's way.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from serving.dispatch import direct
from serving.http import PROBLEM, Request, Response, Route
from serving.problems import Problem

if TYPE_CHECKING:
    from serving.app import App

KEEP_ALIVE = 75.0
"""Seconds that a connection may be idle."""
READING = 20.0
"""Seconds from the first byte of a request to its last."""
WRITING = 60.0
"""Seconds that a client may leave an answer unread."""
LINGER = 1.0
"""Seconds that an idle connection is kept while the server stops: a request may be under way on it."""
MAX_HEAD = 64 * 1024 - 1
"""Bytes of an address and its headers together; no longer address can be parsed."""
MAX_HEADERS = 100
MAX_WAITING = 256
"""Requests that may wait on one connection for the answer to those before them."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    app: App
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # none before the first request

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._given: Mapping[bytes, bytes] | None = None
        self._found: tuple[str, Route, Mapping[str, str]] | None = None
        self._body = b""
        self._begun = 0.0
        self._came = 0
        self._head = 0
        self._framing = 0
        self._flushed = self.loop.time()
        self._since = self.loop.time()
        self._stopping = False
        self._offered = False
        self._refusal: Response | None = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; end a request whose headers have no end."""
        if self._is_over():
            return
        self._came = len(data)
        self._framing += len(data)
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._head >= 0:
            self._head = self._head + len(data) if self._begun else 0
        if self._head > MAX_HEAD:
            self._refuse_head()
        elif self._begun and self._framing > MAX_HEAD:
            detail = f"chunk extensions and trailers exceed {MAX_HEAD} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never lets it stay open
        """A client that has said all it has to say still gets its answer; TLS can not be closed by half."""
        if self._begun or self.cycle is None or self.cycle.response_complete or self.scheme == "https":
            return False
        if self._refusal is None:
            self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A request starts; the scope that ASGI needs is made when it takes that way."""
        if self._is_over():
            return
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._begun, self._head, self._framing = self.loop.time(), 0, 0

    def on_headers_complete(self) -> None:
        """Choose the way of the request."""
        longest = self._head + self._came  # it can be no longer; only where that is too long, it is measured
        self._head, self._framing = -1, 0
        if self._is_over():
            return
        if len(self.pipeline) >= MAX_WAITING:  # no answer can say so: those before it come first
            self.transport.abort()
            return
        if len(self.headers) > MAX_HEADERS or (longest > MAX_HEAD and self._head_size() > MAX_HEAD):
            self._refuse_head()
            return
        given = dict(self.headers)
        if b"host" not in given and self.parser.get_http_version() == "1.1":  # RFC 9112, 3.2
            self._refuse(HTTPStatus.BAD_REQUEST, "the request has no Host header")
            return
        if b"upgrade" in given and self.parser.should_upgrade():
            self._offered = True
            return
        length = given.get(b"content-length", b"")
        if (
            length.isdigit()
            and int(length) <= self.app.largest_direct
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() == b"POST"
            and (found := direct(self.url))
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self.parser.get_http_version() == "1.1"
        ):
            self._given, self._found, self._body = given, found, b""
            return
        if self.parser.get_method() == b"CONNECT":
            self._refuse(HTTPStatus.BAD_REQUEST, "this is no proxy")
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expects
        self.scope["headers"] = headers
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._framing = 0
        if self._given is None:
            if not self._is_over():
                super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._begun, given, found = 0.0, self._given, self._found
        if given is None or found is None:
            if not self._offered and not self._is_over():
                super().on_message_complete()
            return
        self._given = None
        if self.transport.is_closing():
            return
        path, route, parameters = found
        request = Request(self._body, "", given, parameters, b"", "POST", path, self.client[0] if self.client else "")
        answering = self.app.respond(request, route=route)
        try:
            answering.send(None)
        except StopIteration as done:
            self._write(done.value, keep_alive=self.parser.should_keep_alive() and not self._stopping)
        self.server_state.total_requests += 1
        self._since = self.loop.time()

    def on_response_complete(self) -> None:
        """Go on with the next request, or with the refusal of what came behind the last."""
        if self._refusal is not None and not self.pipeline and not self.transport.is_closing():
            self._write(self._refusal, keep_alive=False)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused like any other bad request, with what the parser says of it."""
        error = sys.exception()
        cause = error and (error.__context__ or error)  # what failed in a callback is the context of its error
        reason = f": {cause}" if isinstance(cause, HttpParserError) else ""
        self._refuse(HTTPStatus.BAD_REQUEST, f"the request is not HTTP/1.1{reason}")

    def shutdown(self) -> None:
        """The server stops: answer what comes in a moment more, then close."""
        self._stopping = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER, self._close_idle)

    def check(self, now: float) -> None:
        """Close the connection if it was idle, or its client slow, for too long; called every second."""
        if not self.transport.get_write_buffer_size():
            self._flushed = now
        elif now - self._flushed > WRITING:
            self.transport.abort()
        if self.cycle is not None and not self.cycle.response_complete and not self._begun:
            return
        if self._begun and now - self._begun > READING:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the request took longer than {READING:g} s to come in")
        elif not self._begun and now - self._since > KEEP_ALIVE:
            self._unset_keepalive_if_required()
            self.transport.close()

    def _close_idle(self) -> None:
        if not self._begun and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()

    def _feed(self, data: bytes) -> None:
        """Parse. What follows a request that offers another protocol (HTTP/2, say) the parser takes for that one."""
        try:
            while True:
                try:
                    self.parser.feed_data(data)
                except HttpParserUpgrade as met:
                    if not self._offered:  # CONNECT, which has been refused
                        return
                    data = self._without_offer() + data[met.args[0] :]
                else:
                    return
        except HttpParserError:
            self.send_400_response("")

    def _without_offer(self) -> bytes:
        """The head of the request at hand for a new parser, so that it is answered in HTTP/1.1 (RFC 9110, 7.8)."""
        start = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        rest = [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser, self._offered = HttpRequestParser(self), False
        return b"\r\n".join((start, *rest, b"", b""))

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse_head(self) -> None:
        if len(self.url) > MAX_HEAD:
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, f"the address exceeds {MAX_HEAD} bytes")
        elif len(self.headers) > MAX_HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"more than {MAX_HEADERS} headers")
        else:
            detail = f"the address and the headers together exceed {MAX_HEAD} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Say why, once the requests before this one are answered, and close."""
        if self._is_over():
            return
        problem = Problem(status, status.name.lower().replace("_", "-"), detail)
        body = problem.body("")
        headers = [(b"content-type", PROBLEM), (b"content-length", b"%d" % len(body))]
        refusal = Response(int(status), headers, body)
        if self._answers_are_due():
            self._refusal, self._begun = refusal, 0.0
        else:
            self._write(refusal, keep_alive=False)

    def _is_over(self) -> bool:
        """Whether nothing that comes in will be answered any more."""
        return self._refusal is not None or self.transport.is_closing()

    def _answers_are_due(self) -> bool:
        """Whether requests before the one that is being parsed wait for theirs."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        if not self.cycle.more_body:
            return True
        if self.pipeline:  # its own turn will not come
            self.pipeline.popleft()
            return True
        return False

    def _write(self, response: Response, keep_alive: bool) -> None:
        lines = b"\r\n".join(map(b": ".join, (*self.server_state.default_headers, *response.headers)))
        end = b"\r\n\r\n" if keep_alive else b"\r\nconnection: close\r\n\r\n"
        self.transport.write(b"".join((STATUS_LINE[response.status], lines, end, response.body)))
        if not keep_alive:
            self.transport.close()


async def watch(connections: set[Any]) -> None:
    """Look after the connections of a server."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(1)
        now = loop.time()
        for connection in list(connections):
            connection.check(now)
