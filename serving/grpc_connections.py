"""The gRPC server's connections: grpclib's, closed where nobody uses them, and ended without a lost call."""

from __future__ import annotations

import asyncio
from typing import Any

from grpclib.protocol import H2Protocol
from grpclib.server import Server

from serving.connection import KEEP_ALIVE, LINGER

LEAVE = b"\0\0\x08\x07\0\0\0\0\0" + b"\x7f\xff\xff\xff" + b"\0\0\0\0"
"""GOAWAY without an error and before any call is refused (RFC 9113, 6.8): take another connection for the next call."""


class Connection(H2Protocol):
    """One connection. A call under way is a use of it, a ping is none.

    Args:
        made: As grpclib would have it.
        open_ones: Where it is noted while it is open.
    """

    def __init__(self, made: H2Protocol, open_ones: set[Connection]) -> None:
        super().__init__(made.handler, made.config, made.h2_config)
        self._open_ones = open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look after it."""
        super().connection_made(transport)
        self._open_ones.add(self)
        self._loop = asyncio.get_running_loop()
        self._used = self._loop.time()
        self._look_again = self._loop.call_later(KEEP_ALIVE, self._look)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self.processor.streams:
            self._used = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Look after it no more."""
        self._look_again.cancel()
        self._open_ones.discard(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Read no more of a client that does not read: what it asks for would be kept for it in memory."""
        super().pause_writing()
        if not self.connection.is_closing():
            self.connection._transport.pause_reading()  # noqa: SLF001  grpclib pauses nothing

    def resume_writing(self) -> None:
        """Read on."""
        super().resume_writing()
        if not self.connection.is_closing():
            self.connection._transport.resume_reading()  # noqa: SLF001  the same

    def ask_to_leave(self) -> None:
        """Let its client begin no more calls here; those that it began are answered."""
        if not self.connection.is_closing():
            self.connection._transport.write(LEAVE)  # noqa: SLF001  after a GOAWAY of its own h2 answers nothing more

    def _look(self) -> None:
        now = self._loop.time()
        if self.processor.streams:
            self._used = now
        left = self._used + KEEP_ALIVE - now
        if left > 0:
            self._look_again = self._loop.call_later(left, self._look)
            return
        # The client learns that no call was lost, and connects again for its next one.
        self.connection._connection.close_connection()  # noqa: SLF001  grpclib has no other way to say so
        self.connection.flush()
        self.processor.close("nobody used it")


class GrpcServer(Server):
    """grpclib's server with such connections."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._open_ones: set[Connection] = set()

    async def drain(self, seconds: float) -> None:
        """Let the calls under way end, and those that clients begin before they hear that they should leave."""
        if not self._open_ones:
            return
        for connection in self._open_ones:
            connection.ask_to_leave()
        await asyncio.sleep(LINGER)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while any(each.processor.streams for each in self._open_ones) and loop.time() < until:  # noqa: ASYNC110  grpclib tells nobody
            await asyncio.sleep(0.02)

    def _protocol_factory(self) -> H2Protocol:
        return Connection(super()._protocol_factory(), self._open_ones)
