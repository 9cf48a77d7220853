"""What a registry and a cluster answer when they do not do what a stack needs; tests/cluster asks real ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from stacks import cluster_probes
from stacks.probes import Failure


class Registry(BaseHTTPRequestHandler):
    """Takes uploads below `/v2/free/`, asks for a login below `/v2/closed/`, takes nothing elsewhere."""

    def do_POST(self) -> None:
        self.server.begun.append(self.path)  # type: ignore[attr-defined]
        asked = self.path.split("/")[2]
        self.send_response({"free": 202, "closed": 401}.get(asked, 405))
        self.send_header("Location", "/v2/free/uploads/1")
        self.end_headers()

    def do_DELETE(self) -> None:
        self.server.given_up.append(self.path)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Registry)
    server.begun, server.given_up = [], []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def test_an_upload_is_begun_and_given_up(registry: HTTPServer) -> None:
    host = f"127.0.0.1:{registry.server_port}"
    assert cluster_probes.takes_pushes("http", f"{host}/free/team", "stack.yaml:9") == f"{host}/free/team takes images"
    assert registry.begun == ["/v2/free/team/doctor/blobs/uploads/"]  # type: ignore[attr-defined]
    assert registry.given_up == ["/v2/free/uploads/1"]  # type: ignore[attr-defined]


def test_a_registry_that_asks_for_a_login_is_docker_s_to_answer(registry: HTTPServer) -> None:
    host = f"127.0.0.1:{registry.server_port}"
    assert f"docker login {host}" in cluster_probes.takes_pushes("http", f"{host}/closed", "stack.yaml:9")


@pytest.mark.parametrize(("path", "cause"), [("other", "takes no image \\(405\\)"), ("", "does not answer")])
def test_a_registry_that_takes_nothing(registry: HTTPServer, path: str, cause: str) -> None:
    host = f"127.0.0.1:{registry.server_port}" if path else "127.0.0.1:9"
    with pytest.raises(Failure, match=cause) as failure:
        cluster_probes.takes_pushes("http", f"{host}/{path}", "stack.yaml:9")
    assert failure.value.fix == "start the registry, or correct stack.yaml:9"
