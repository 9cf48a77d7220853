"""The gRPC server's connections: grpclib's, closed where nobody has used them for long."""

from __future__ import annotations

import asyncio

from grpclib.protocol import H2Protocol
from grpclib.server import Server

from serving.wire import KEEP_ALIVE


class Connection(H2Protocol):
    """One connection. A call under way is a use of it, a ping is none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look after it."""
        super().connection_made(transport)
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

    def _protocol_factory(self) -> H2Protocol:
        made = super()._protocol_factory()
        return Connection(made.handler, made.config, made.h2_config)
