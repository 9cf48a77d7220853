"""Which cluster `make cluster-up` takes."""

from __future__ import annotations

import os
import shlex
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from k8s.platform import cluster
from project.errors import ConfigError, ProjectError
from tests.kubeconfig import kubeconfig

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the path")


class Ready(BaseHTTPRequestHandler):
    """Says that it is ready, whatever it is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of something that answers."""
    server = HTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kubeconfig(tmp_path / "it's answering", f"http://127.0.0.1:{server.server_port}", "laptop")
    server.shutdown()


@pytest.fixture(autouse=True)
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with kubectl and a shell alone, and a kubeconfig that is not there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(str(shutil.which("kubectl")))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("CLUSTER_UP", raising=False)


def test_one_that_answers_is_taken(answering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(answering))
    monkeypatch.setenv("CLUSTER_UP", "exit 1")
    assert cluster.choose() == "laptop answers"


def test_else_a_command_starts_one_and_says_where(answering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"export KUBECONFIG={shlex.quote(str(answering))}"
    monkeypatch.setenv("CLUSTER_UP", f"echo starting; echo {shlex.quote(line)}")
    assert "started it" in cluster.choose()
    assert os.environ["KUBECONFIG"] == str(answering)


def test_a_command_that_starts_none_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_UP", "exit 7")
    with pytest.raises(ProjectError, match="exit 7"):
        cluster.choose()


def test_without_anything_it_says_what_would_do() -> None:
    with pytest.raises(ConfigError) as refused:
        cluster.choose()
    assert "neither minikube nor kind" in refused.value.cause
    assert "CLUSTER_UP=…" in refused.value.next_step
