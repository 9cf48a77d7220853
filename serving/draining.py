"""Stop listening without a lost connection: `close` resets those that no worker has accepted yet."""

from __future__ import annotations

import socket
import struct
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress

ACCEPTING = 1.0
"""Seconds that workers have to accept what waits."""
SO_ATTACH_FILTER, TCP_INFO = 26, 11
NOTHING_PASSES = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A packet filter of one instruction: return 0, the number of bytes that pass."""
UNACKED = 24
"""Where `tcp_info` has, for a socket that listens, the number of connections that wait to be accepted."""


def close_gently(listeners: Sequence[socket.socket]) -> None:
    """Let no new connection in, wait until those before were accepted, close.

    Where the kernel takes no filter the sockets are closed at once.
    """
    with suppress(OSError):
        for listener in listeners:
            _admit_no_more(listener)
        until = time.monotonic() + ACCEPTING
        while any(map(_waiting, listeners)) and time.monotonic() < until:
            time.sleep(0.005)
    for listener in listeners:
        listener.close()


def _admit_no_more(listener: socket.socket) -> None:
    """Drop packets that ask for a connection; an established one has a socket of its own."""
    program = array("B", NOTHING_PASSES)
    described = struct.pack("HP", 1, program.buffer_info()[0])
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, described)


def _waiting(listener: socket.socket) -> int:
    information = listener.getsockopt(socket.IPPROTO_TCP, TCP_INFO, UNACKED + 4)
    return int(struct.unpack_from("I", information, UNACKED)[0])
