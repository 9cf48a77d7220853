"""Clients of the gRPC port that are idle or slow, on real sockets: sent away, while one that is used stays."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, Event, ResponseReceived, TrailersReceived

from serving import open_inference_pb2 as pb
from serving.grpc_server import SERVICE
from tests.served import HOST, PATIENCE, Served, received, served

IDLE = 2 * PATIENCE
"""Seconds after which a test takes a connection to be kept for ever."""
MOST = 32 << 20
"""Bytes that no kernel buffers between two processes."""
LIVE = b"\0\0\0\0\0" + pb.ServerLiveRequest().SerializeToString()


LIVES = b"\0\0\0\0\x02" + pb.ServerLiveResponse(live=True).SerializeToString()
GOAWAY = b"\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0"


class Client:
    """One connection."""

    def __init__(self, port: int, pause: float = PATIENCE) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=pause)
        self.h2 = H2Connection(H2Configuration(header_encoding=None))
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def begin(self, message: bytes, *, ends: bool = True) -> None:
        """Call `ServerLive`."""
        number = self.h2.get_next_available_stream_id()
        names = (":method", ":scheme", ":authority", ":path", "te", "content-type")
        values = ("POST", "http", "x", f"{SERVICE}/ServerLive", "trailers", "application/grpc+proto")
        self.h2.send_headers(number, list(zip(names, values, strict=True)))
        self.h2.send_data(number, message, end_stream=ends)
        self.flush()

    def events(self) -> Iterator[Event]:
        """What comes until the server closes, or until it says nothing for the pause."""
        while data := self.socket.recv(65536):
            yield from self.h2.receive_data(data)
            self.flush()

    def status(self) -> bytes:
        """How the call ended."""
        for event in self.events():
            # What is refused before an answer began has its status in the only headers there are.
            headers = dict(event.headers) if isinstance(event, ResponseReceived | TrailersReceived) else {}
            if b"grpc-status" in headers:
                return headers[b"grpc-status"]
        return b"closed"

    def left(self) -> object:
        """The error code with which the server says that it leaves; a ping every few seconds keeps nobody."""
        end = time.monotonic() + IDLE
        while time.monotonic() < end:
            with suppress(TimeoutError):
                for event in self.events():
                    if isinstance(event, ConnectionTerminated):
                        return event.error_code
                return "closed without a word"
            self.h2.ping(b"pingpong")
            self.flush()
        return "kept"


def called(client: Client) -> bytes:
    client.begin(LIVE)
    return client.status()


def used(port: int) -> list[bytes]:
    """The answers of a connection that is used again and again, for longer than an idle one is kept."""
    client, found = Client(port), []
    for _ in range(5):
        found.append(called(client))
        time.sleep(20)
    return found


def half(port: int) -> bytes:
    """What a call is told of which half comes."""
    client = Client(port, IDLE)
    client.begin(LIVE[:3], ends=False)
    return client.status()


def silent(port: int) -> bytes:
    """What comes to a connection that never says a word."""
    with socket.create_connection((HOST, port), timeout=IDLE) as connection:
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


@pytest.mark.slow
def test_who_is_idle_or_slow_is_sent_away(target: Served) -> None:
    assert target.grpc_port
    once, pinging = Client(target.grpc_port, IDLE), Client(target.grpc_port, 5)
    assert [called(once), called(pinging)] == [b"0", b"0"]
    before = target.descriptors()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(client.left) for client in (once, pinging)]
        kept, slow = pool.submit(used, target.grpc_port), pool.submit(half, target.grpc_port)
        mute = pool.submit(silent, target.grpc_port)
        assert [each.result() for each in waiting] == [0, 0]
        assert kept.result() == [b"0"] * 5
        assert slow.result() == b"4"  # DEADLINE_EXCEEDED
        assert mute.result().endswith(b"\0\0\0\0")  # GOAWAY with no error
    assert target.descriptors() < before + 2


@pytest.mark.slow
def test_a_client_that_asks_and_does_not_read_is_not_read_either(target: Served) -> None:
    """What waits for it is what the kernel's buffers hold, and nothing in the server's memory."""
    with socket.create_connection((HOST, target.grpc_port), timeout=PATIENCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        connection.settimeout(10)
        sent, pings = 0, (b"\0\0\x08\x06\0\0\0\0\0" + b"pingpong") * 4096
        with suppress(TimeoutError):
            while sent < MOST:
                sent += connection.send(pings)
        assert sent < MOST
    assert target.ask("/health/live").status == 200


def test_a_stop_answers_the_calls_that_have_begun(tmp_path: Path) -> None:
    with served(tmp_path / "endpoint") as server:
        client = Client(server.grpc_port)
        client.begin(LIVE[:3], ends=False)
        assert called(client) == b"0"  # so the first call has come in too
        server.process.terminate()
        said = b""
        while GOAWAY not in said and (more := client.socket.recv(65536)):
            said += more
        assert GOAWAY in said
        rest = LIVE[3:]
        client.socket.sendall(len(rest).to_bytes(3) + b"\0\1\0\0\0\1" + rest)  # DATA that ends the first call
        assert LIVES in received(client.socket)
        assert server.process.wait(PATIENCE) == 0
