"""The HTTP/1.1 protocol: uvicorn's, with a short cut for small requests and limits on long ones.

A small POST is answered in the callback that parsed its last byte. There is no task, queue or scope for it, which
is half of what such a request costs. `App.respond` never waits for one, so its coroutine ends at the first step.
Whatever else comes in takes uvicorn's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from serving.connection import Connection
from serving.dispatch import direct
from serving.http import Request, Route, by_name

MAX_HEAD = 64 * 1024 - 1
"""Bytes of an address and its headers together; no longer address can be parsed."""
MAX_HEADERS = 100
MAX_WAITING = 256
"""Requests that may wait on one connection for the answer to those before them."""


class Protocol(Connection):
    """One connection: how its requests are read and answered."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._given: Mapping[bytes, bytes] | None = None
        self._found: tuple[str, Route, Mapping[str, str]] | None = None
        self._body = b""
        self._came = 0
        self._head = 0
        self._framing = 0
        self._offered = False

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
        given = by_name(self.headers)
        if b"host" not in given and self.parser.get_http_version() == "1.1":  # RFC 9112, 3.2
            self._refuse(HTTPStatus.BAD_REQUEST, "the request has no Host header")
            return
        if len(given) < len(self.headers) and sum(name == b"host" for name, _ in self.headers) > 1:
            self._refuse(HTTPStatus.BAD_REQUEST, "the request has several Host headers")
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
