"""Bundles in S3 by a server that does not always answer: tried as often as the store says, then named, then resumed."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest

from deployers.kubernetes.store import TRIES, Store
from project.errors import Refused, Unreachable
from tabular.bundle import CONTENT, MANIFEST, PROVENANCE, Bundle, read_bundle
from tests.integration.object_store import BUCKET, object_store
from tests.served import REFERENCE

ADDRESS = f"s3://{BUCKET}/bundles"
UPLOAD = [*CONTENT, PROVENANCE, MANIFEST]


class Way(ThreadingHTTPServer):
    """A way to the S3 server that can be cut; its answers are those of the server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.asked: list[str] = []
        """Method and file of each request, those that were cut too."""
        self.cut: Callable[[str], int | None] = lambda _: None
        """What happens to a request: a status is answered instead, 0 closes the connection without a word."""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def put(self) -> list[str]:
        """Files that were put, in order, the tries of each."""
        return [file for method, file in map(str.split, self.asked) if method == "PUT"]


class Request(BaseHTTPRequestHandler):
    """One request on its way."""

    protocol_version = "HTTP/1.1"
    server: Way

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = f"{self.command} {PurePosixPath(urlsplit(self.path).path).name}"
        self.server.asked.append(asked)
        status = self.server.cut(asked)
        if status is not None:
            self.close_connection = True
            if status:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()
            return
        connection = http.client.HTTPConnection(urlsplit(os.environ["AWS_ENDPOINT_URL"]).netloc)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """A way to an empty bucket, on which nobody waits before another try."""
    monkeypatch.setattr("botocore.endpoint.time", type("Time", (), {"sleep": lambda _: None, "time": time.time}))
    with object_store(), Way() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def store(way: Way) -> Store:
    return Store(ADDRESS, way.endpoint)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(REFERENCE)


def refusal(store: Store, bundle: Bundle) -> str:
    with pytest.raises(Unreachable) as caught:
        store.put(bundle)
    assert caught.value.next_step == "the same command again, once it answers"
    assert "\n" not in caught.value.cause
    return caught.value.cause


def test_a_server_that_drops_connections_is_tried_as_often_as_the_store_says(
    way: Way, store: Store, bundle: Bundle
) -> None:
    way.cut = lambda _: 0
    cause = refusal(store, bundle)
    assert cause.startswith(f"bundles can not be kept at {ADDRESS}: Connection was closed before we received")
    assert f"{way.endpoint}/" in cause
    assert way.asked == [f"GET {UPLOAD[0]}"] * TRIES


@pytest.mark.parametrize("status", [pytest.param(0, id="closes"), pytest.param(503, id="is busy")])
def test_a_server_that_fails_some_uploads_has_the_whole_bundle(
    way: Way, store: Store, bundle: Bundle, status: int
) -> None:
    def every_third(asked: str) -> int | None:
        return status if asked.startswith("PUT") and len(way.put()) % 3 else None

    way.cut = every_third
    store.put(bundle)
    assert way.put() == [file for file in UPLOAD for _ in range(3)]
    found = store.get(bundle.digest)
    assert (found.content, found.manifest) == (bundle.content, bundle.manifest)


def test_after_an_upload_that_died_in_the_middle_only_what_is_missing_is_put(
    way: Way, store: Store, bundle: Bundle
) -> None:
    whole, half = UPLOAD[:3], UPLOAD[3]
    way.cut = lambda asked: 0 if asked == f"PUT {half}" else None
    assert f"/{bundle.digest}/{half}" in refusal(store, bundle)
    assert way.put() == [*whole, *[half] * TRIES]
    with pytest.raises(Refused, match=rf"{ADDRESS}/{bundle.digest} "):
        store.get(bundle.digest)  # no pod takes the half
    way.cut, way.asked = lambda _: None, []
    store.put(bundle)
    assert way.put() == UPLOAD[3:]
    assert store.get(bundle.digest).content == bundle.content
    way.asked = []
    store.put(bundle)
    assert way.put() == []


def test_what_a_server_does_not_keep_is_no_upload(way: Way, store: Store, bundle: Bundle) -> None:
    way.cut = lambda asked: 200 if asked == f"PUT {UPLOAD[2]}" else None  # it says so, and keeps nothing
    with pytest.raises(Refused, match=rf"{UPLOAD[2]} is not what was uploaded"):
        store.put(bundle)


def test_a_file_that_was_damaged_there_is_put_again_and_the_manifest_last(
    way: Way, store: Store, bundle: Bundle
) -> None:
    store.put(bundle)
    client: Any = store.client()
    client.put_object(**store.place(bundle.digest, UPLOAD[1]), Body=b"damaged")
    way.asked = []
    store.put(bundle)
    assert way.put() == [UPLOAD[1], PROVENANCE, MANIFEST]
    assert store.get(bundle.digest).content == bundle.content
