"""A connection over HTTP/1.1: uvicorn's, with limits on slow clients, and refusals that wait for their turn."""

from __future__ import annotations

import asyncio
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from serving.http import Response
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


class Connection(HttpToolsProtocol):
    """One connection: how it is looked after, refused and closed."""

    app: App
    cycle: RequestResponseCycle | None  # type: ignore[assignment]  # none before the first request

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._begun = 0.0
        self._flushed = self.loop.time()
        self._since = self.loop.time()
        self._stopping = False
        self._refusal: Response | None = None

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn never lets it stay open
        """A client that has said all it has to say still gets its answer; TLS can not be closed by half."""
        if self._begun or self.cycle is None or self.cycle.response_complete or self.scheme == "https":
            return False
        if self._refusal is None:
            self.cycle.keep_alive = False
        return True

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

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Say why, once the requests before this one are answered, and close."""
        if self._is_over():
            return
        refusal = self.app.refused(Problem(status, status.name.lower().replace("_", "-"), detail))
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
