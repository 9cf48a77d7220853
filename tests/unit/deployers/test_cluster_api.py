"""An API server that fails for a moment; tests/cluster asks real ones, which do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployers.kubernetes import claim
from deployers.kubernetes.cluster import AWAY, Cluster
from project.errors import Unreachable
from tests.kubeconfig import kubeconfig

FOUND = {"kind": "ConfigMap", "metadata": {"name": "pets", "labels": {}}}


class Api(BaseHTTPRequestHandler):
    """Answers as the list says, the last for ever: a status, or `cut` for half an answer."""

    def do_GET(self) -> None:
        server: Any = self.server
        server.asked.append(self.command)
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        body = json.dumps(server.found if answer in (200, "cut") else {"message": f"status {answer}"}).encode()
        self.send_response(200 if answer == "cut" else answer)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:5] if answer == "cut" else body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PATCH(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Api)
    server.asked, server.answers, server.found = [], [200], FOUND
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def cluster(api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    file = kubeconfig(tmp_path / "kubeconfig", f"http://127.0.0.1:{api.server_port}")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    monkeypatch.setattr("deployers.kubernetes.cluster.POLL", 0.01)
    return Cluster("tabular", "test")


@pytest.mark.parametrize("away", [[503], [429, 500], ["cut"]], ids=str)
def test_one_that_has_answered_may_be_away_for_a_moment(api: Any, cluster: Cluster, away: list[Any]) -> None:
    assert cluster.get("ConfigMap", "pets") == FOUND
    api.answers = [*away, 200]
    assert cluster.get("ConfigMap", "pets") == FOUND
    assert api.asked == ["GET"] * (len(away) + 2)


def test_one_that_refuses_or_a_pod_that_does_not_answer_is_no_api_server_that_is_gone(
    api: Any, cluster: Cluster
) -> None:
    assert cluster.get("ConfigMap", "pets") == FOUND
    api.answers = [404, 503, 503, 200]
    assert cluster.get("ConfigMap", "none") is None
    with pytest.raises(Unreachable, match="status 503"):
        cluster.text("pod:8000", "proxy/metrics")
    assert cluster.get("ConfigMap", "pets") == FOUND
    assert len(api.asked) == 5


def test_what_is_the_same_twice_is_written_again(api: Any, cluster: Cluster) -> None:
    ours = {**FOUND, "metadata": {"name": "pets", "labels": {"tabular-zenml/endpoint": "pets"}}}
    api.found = ours
    api.answers = [200, 503, 200, 503, 200]
    assert cluster.apply(ours) == ours
    assert cluster.delete("ConfigMap", "pets")
    assert api.asked == ["GET", "PATCH", "PATCH", "DELETE", "DELETE"]


def test_what_is_tried_again_comes_while_its_claim_lasts() -> None:
    assert AWAY < claim.SECONDS - claim.RENEW


def test_one_that_stays_away_is_said_to_be(api: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployers.kubernetes.cluster.AWAY", 0.2)
    assert cluster.get("ConfigMap", "pets") == FOUND
    for answers, reason in (([503], "can not read ConfigMap pets .*: status 503"), (["cut"], "does not answer: ")):
        api.answers = answers
        with pytest.raises(Unreachable, match=reason):
            cluster.get("ConfigMap", "pets")
        asked = len(api.asked)
        with pytest.raises(Unreachable, match=reason):  # once it is known to be gone, it is said at once
            cluster.get("ConfigMap", "pets")
        assert len(api.asked) <= asked + 2
        api.answers = [200]
        assert cluster.get("ConfigMap", "pets") == FOUND


def test_one_that_never_answered_and_what_is_new_are_not_tried_again(api: Any, cluster: Cluster) -> None:
    api.answers = [503]
    with pytest.raises(Unreachable, match="status 503"):
        cluster.get("ConfigMap", "pets")
    api.answers = [200, 503]
    assert cluster.get("ConfigMap", "pets") == FOUND
    with pytest.raises(Unreachable, match="can not create ConfigMap pets"):
        cluster.create(FOUND)
    assert api.asked == ["GET", "GET", "POST"]
