"""Bytes that are no proper HTTP, on real sockets: refused or answered, never a fault, never a hang."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import Any

import pytest

from tests.served import HOST, PATIENCE, Served, received, until
from tests.serving_bundle import ROW

BODY = json.dumps(ROW).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
TOGETHER = "the address and the headers together exceed 65535 bytes"


def post(path: bytes, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def statuses(answers: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def problem(answers: bytes) -> dict[str, Any]:
    """The last answer's body."""
    found: dict[str, Any] = json.loads(answers.rpartition(b"\r\n\r\n")[2])
    return found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS to a plain port"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", id="a version there is not"),
        pytest.param(b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n", id="NUL in the method"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n", id="NUL in the address"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", id="no ASCII in the address"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", id="NUL in a header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", id="space before the colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", id="folded header"),
        pytest.param(b"GET / HTTP/1.1\nHost: x\n\n", id="bare line feeds"),
        pytest.param(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", id="proxy request"),
        pytest.param(HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: 4, 5\r\n\r\nabcde", id="a list of lengths"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(HEAD + b"Content-Length: +4\r\n\r\nabcd", id="signed length"),
        pytest.param(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", id="length beyond 2^64"),
        pytest.param(HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="CL.TE"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", id="TE.CL"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown coding"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked is not last"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", id="chunk size is no number"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n", id="chunk beyond 2^64"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}garbage", id="chunk without an end"),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(target: Served, data: bytes) -> None:
    """A request smuggled behind it is never read: there is one answer."""
    answers = target.raw(data + b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", half_close=False)
    assert statuses(answers) == [400]
    assert problem(answers)["title"] == "Bad Request"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(
            HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n", "Duplicate Content-Length", id="two lengths"
        ),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", "Invalid character in Content-Length", id="negative length"),
        pytest.param(b"GET /\x00 HTTP/1.1\r\n\r\n", "Invalid char in url path", id="NUL in the address"),
    ],
)
def test_it_says_why_it_is_no_http(target: Served, data: bytes, reason: str) -> None:
    assert problem(target.raw(data))["detail"] == f"the request is not HTTP/1.1: {reason}"


@pytest.mark.parametrize("path", [b"/predict", b"/explain"])
def test_a_request_says_which_host_it_is_for(target: Served, path: bytes) -> None:
    """RFC 9112, section 3.2: a server answers 400 to HTTP/1.1 without it; HTTP/1.0 has none."""
    silent = post(path, BODY).replace(b"Host: x\r\n", b"")
    answers = target.raw(silent)
    assert statuses(answers) == [400]
    assert problem(answers)["detail"] == "the request has no Host header"
    assert b" 200 OK" in target.raw(silent.replace(b"HTTP/1.1", b"HTTP/1.0"))
    answers = target.raw(post(path, BODY, b"Host: y"))
    assert statuses(answers) == [400]
    assert problem(answers)["detail"] == "the request has several Host headers"


def test_what_is_no_http_is_counted_and_written_down(target: Served) -> None:
    """By the id that the refusal has, so that it is found there."""

    def counted() -> int:
        text = target.ask("/metrics").body.decode()
        found = re.search(r'^http_responses_total{route="other",status="400"} (\d+)$', text, re.MULTILINE)
        return int(found[1]) if found else 0

    def written() -> list[str]:
        log = target.folder / "requests.jsonl"  # which begins with the first line
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if f'"request_id":"{request_id}"' in line]

    before = counted()
    answers = target.raw(b"GARBAGE\r\n\r\n")
    request_id = problem(answers)["request_id"]
    assert f"x-request-id: {request_id}\r\n".encode() in answers
    assert b"x-content-type-options: nosniff\r\n" in answers
    until(lambda: counted() == before + 1)
    until(lambda: len(written()) == 1)
    assert '"route":"other","status":400,' in written()[0]


MANY = b"".join(b"A%d: b\r\n" % number for number in range(200))
LONG = post(b"/predict", BODY, b"A: " + b"b" * 100_000)


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        pytest.param(HEAD + MANY + b"\r\n", 431, "more than 100 headers", id="many"),
        pytest.param(HEAD + b"A: " + b"b" * 200_000, 431, TOGETHER, id="one without an end"),
        pytest.param(LONG, 431, TOGETHER, id="one with an end"),
        pytest.param(post(b"/predict", BODY) + LONG, 431, TOGETHER, id="the second request's"),
        pytest.param(post(b"/predict", BODY, *[b"A: " + b"b" * 1000] * 66), 431, TOGETHER, id="some long ones"),
        pytest.param(LONG.replace(b"POST /predict", b"GET /health"), 431, TOGETHER, id="GET"),
        pytest.param(post(b"/" + b"p" * 66_000, BODY), 414, "the address exceeds 65535 bytes", id="address"),
        pytest.param(b"GET /" + b"p" * 200_000, 414, "the address exceeds 65535 bytes", id="address without an end"),
    ],
)
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_too_many_and_too_long_headers(target: Served, data: bytes, status: int, reason: str, piece: int) -> None:
    """Whether all of it comes at once or bit by bit."""
    with socket.create_connection((HOST, target.port), timeout=PATIENCE) as connection:
        with suppress(ConnectionError):  # refused before the last byte
            for start in range(0, len(data), piece):
                connection.sendall(data[start : start + piece])
        answers = received(connection)
    assert statuses(answers)[-1] == status
    assert problem(answers)["detail"] == reason


def test_the_longest_headers_that_are_taken(target: Served) -> None:
    close = b"Connection: close"
    head = post(b"/predict", BODY, close, b"A: ").partition(b"\r\n\r\n")[0]
    room = 65535 - (len(head) + 2 - len(b"POST  HTTP/1.1\r\n"))
    for length, status in ((room, 200), (room + 1, 431)):
        assert statuses(target.raw(post(b"/predict", BODY, close, b"A: " + b"b" * length))) == [status]


def test_trailers_and_chunk_extensions_have_the_limit_of_headers(target: Served) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    trailers = b"".join(b"A%d: %s\r\n" % (number, b"b" * 100) for number in range(20_000))
    assert statuses(target.raw(chunked + b"2\r\n{}\r\n0\r\n" + trailers, half_close=False)) == [431]
    assert statuses(target.raw(chunked + b"2;" + b"x" * 2_000_000, half_close=False)) == [431]
    small = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
    assert statuses(target.raw(chunked + small + b"0\r\n\r\n")) == [200]


H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
WEBSOCKET = (b"Connection: keep-alive, Upgrade", b"Upgrade: websocket")


@pytest.mark.parametrize("offer", [H2C, WEBSOCKET])
@pytest.mark.parametrize("path", [b"/predict", b"/explain"])
@pytest.mark.parametrize("piece", [7, 1 << 20])
def test_an_offer_of_another_protocol_is_declined(
    target: Served, offer: tuple[bytes, ...], path: bytes, piece: int
) -> None:
    """Java's own client offers HTTP/2 with its first request, whose body is in HTTP/1.1."""
    data = post(path, BODY, *offer) + post(path, BODY, *offer) + b"GET /health HTTP/1.1\r\nHost: x\r\n"
    data += b"\r\n".join((*offer, b"", b"")) + post(b"/predict", b"{}", b"Connection: close")
    with socket.create_connection((HOST, target.port), timeout=PATIENCE) as connection:
        for start in range(0, len(data), piece):
            connection.sendall(data[start : start + piece])
        assert statuses(received(connection)) == [200, 200, 200, 422]


def test_a_proxy_is_asked_for_in_vain(target: Served) -> None:
    answers = target.raw(b"CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n" + post(b"/predict", BODY), half_close=False)
    assert statuses(answers) == [400]


@pytest.mark.parametrize("path", [b"/predict", b"/explain", b"/api/v1.0/predictions"])
def test_a_client_that_closes_its_side_still_gets_its_answer(target: Served, path: bytes) -> None:
    body = json.dumps({"data": {"ndarray": [list(ROW.values())]}}).encode() if b"api" in path else BODY
    assert statuses(target.raw(post(path, body))) == [200]


def test_half_a_request_is_dropped(target: Served) -> None:
    assert target.raw(post(b"/predict", BODY)[:-10]) == b""


def test_requests_in_one_packet_are_answered_in_order(target: Served) -> None:
    explain = post(b"/explain", BODY, b"X-Request-Id: r1")
    rest = [post(b"/predict", BODY, b"X-Request-Id: r%d" % number) for number in range(2, 30)]
    bad = post(b"/predict", b'{"age": 1e400}', b"X-Request-Id: r30", b"Connection: close")
    answers = target.raw(b"".join([explain, *rest, bad]), half_close=False)
    assert statuses(answers) == [200] * 29 + [422]
    assert re.findall(rb"x-request-id: (r\d+)", answers) == [b"r%d" % number for number in range(1, 31)]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GARBAGE\r\n\r\n", id="no HTTP"),
        pytest.param(HEAD + b"A: " + b"b" * 70_000 + b"\r\n\r\n", id="long headers"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}garbage", id="half a body"),
    ],
)
@pytest.mark.parametrize("before", [1, 3])
def test_a_refusal_comes_after_the_answers_to_the_requests_before_it(
    target: Served, garbage: bytes, before: int
) -> None:
    """A thread works on the first meanwhile; the refusal is no answer to it."""
    explain = b"".join(post(b"/explain", BODY, b"X-Request-Id: r%d" % number) for number in range(before))
    answers = target.raw(explain + garbage + post(b"/predict", BODY), half_close=False)
    assert [status // 100 for status in statuses(answers)] == [2] * before + [4]
    assert re.findall(rb"x-request-id: (r\d+)", answers) == [b"r%d" % number for number in range(before)]


def test_a_body_of_the_largest_size_and_one_that_is_larger(target: Served) -> None:
    assert statuses(target.raw(post(b"/predict", b" " * (4 << 20)))) == [400]
    assert statuses(target.raw(post(b"/predict", b" " * ((4 << 20) + 1)))) == [413]
    announced = HEAD + b"Content-Length: 10000000000\r\n\r\n"
    assert statuses(target.raw(announced, half_close=False)) == [413]


@pytest.mark.slow
def test_slow_clients_are_sent_away_while_others_are_served(target: Served) -> None:
    assert target.ask(body=ROW).status == 200  # by then it has all that it keeps open
    before = target.descriptors()
    slow = [socket.create_connection((HOST, target.port), timeout=PATIENCE) for _ in range(50)]
    for number, connection in enumerate(slow):
        connection.sendall(HEAD[: 10 + number] if number % 2 else post(b"/predict", BODY)[:-20])
    assert target.ask(body=ROW).status == 200
    answers = [received(connection) for connection in slow]
    assert [statuses(answer) for answer in answers] == [[408]] * 50
    for connection in slow:
        connection.close()
    until(lambda: target.descriptors() <= before)


def test_one_byte_at_a_time(target: Served) -> None:
    with socket.create_connection((HOST, target.port), timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post(b"/predict", BODY, b"Connection: close"):
            connection.send(bytes([byte]))
        assert statuses(received(connection)) == [200]


def _lazy(target: Served, requests: int = 200) -> socket.socket:
    """A connection with requests and a few kilobytes of room for their answers, which nobody reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((HOST, target.port))
    connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * requests)
    return connection


def test_answers_that_nobody_reads_cost_no_memory(target: Served) -> None:
    before = target.memory()
    lazy = [_lazy(target) for _ in range(20)]
    assert target.ask(body=ROW).status == 200
    until(lambda: target.memory() - before < 15 << 20)
    for connection in lazy:
        connection.close()


def test_more_requests_than_may_wait_end_the_connection(target: Served) -> None:
    answers = b""
    with _lazy(target, requests=400) as greedy, suppress(ConnectionResetError):
        greedy.settimeout(PATIENCE)
        while part := greedy.recv(1 << 16):
            answers += part
    assert answers.count(b"HTTP/1.1 200") < 400


@pytest.mark.slow
def test_an_answer_that_is_left_unread_for_a_minute_ends_the_connection(target: Served) -> None:
    with _lazy(target) as lazy:
        ours = lazy.getsockname()

        def held() -> bool:
            return any(each.raddr == ours for worker in target.workers() for each in worker.net_connections("tcp"))

        until(held)
        until(lambda: not held(), 2 * PATIENCE)
