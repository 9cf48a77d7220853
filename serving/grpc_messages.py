"""Read the message of a gRPC call: up to a limit, and unpacked where the client has compressed it.

grpclib itself reads a message of any length and none that is compressed.
"""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from serving.connection import READING, WRITING

PREFIX = 5
"""Bytes before a message: whether it is compressed, and its length."""
GZIP_OR_DEFLATE = 32 + zlib.MAX_WBITS
"""Tells zlib to see for itself; grpclib keeps the header that says it."""


async def receive(stream: Stream[bytes, bytes], largest: int) -> bytes:
    """The message of a call that has one.

    Args:
        stream: The call.
        largest: Bytes, also when it is unpacked.

    Raises:
        GRPCError: It is larger, ends too soon, takes too long to come in, or is compressed in a way that is not known.
    """
    source: Any = stream._stream  # noqa: SLF001  grpclib has no other way to the bytes
    try:
        async with asyncio.timeout(READING):
            prefix = await _read(source, PREFIX)
            length = int.from_bytes(prefix[1:], "big")
            if length > largest:
                raise _too_large(largest)
            message = await _read(source, length)
    except TimeoutError:
        detail = f"the message took longer than {READING:g} s to come in"
        raise GRPCError(Status.DEADLINE_EXCEEDED, detail) from None
    if not prefix[:1].strip(b"\0"):
        return message
    unpacker = zlib.decompressobj(GZIP_OR_DEFLATE)
    try:
        unpacked = unpacker.decompress(message, largest + 1)
    except zlib.error:
        detail = "the message is compressed neither by gzip nor by deflate; send it so, or plain"
        raise GRPCError(Status.UNIMPLEMENTED, detail) from None
    if len(unpacked) > largest:
        raise _too_large(largest)
    if not unpacker.eof:
        raise GRPCError(Status.INVALID_ARGUMENT, "the message ends too soon")
    return unpacked


async def send(stream: Stream[bytes, bytes], message: bytes) -> None:
    """Answer a call.

    Raises:
        GRPCError: The client did not take the answer in time.
    """
    try:
        async with asyncio.timeout(WRITING):
            await stream.send_message(message)
    except TimeoutError:
        detail = f"the answer was left unread for {WRITING:g} s"
        raise GRPCError(Status.DEADLINE_EXCEEDED, detail) from None


async def _read(source: Any, size: int) -> bytes:
    try:
        found: bytes = await source.recv_data(size)
    except AssertionError:  # grpclib's word for a stream that has ended before
        found = b""
    if len(found) < size:
        raise GRPCError(Status.INVALID_ARGUMENT, "the message ends too soon")
    return found


def _too_large(largest: int) -> GRPCError:
    return GRPCError(Status.RESOURCE_EXHAUSTED, f"the message is larger than {largest} bytes; send fewer rows per call")
