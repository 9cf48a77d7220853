"""A challenger is judged by what its pods tell: one that does not tell is not taken for one that nobody asked."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from deployers.history import Change
from deployers.interface import Endpoint, Version
from deployers.kubernetes import judging
from deployers.kubernetes.cluster import Missing
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.traffic import Guard, Mode, TrafficPlan
from project.errors import ProjectError, Unreachable

CHAMPION, CHALLENGER = Version("v1", "a" * 64, "2026-01-01"), Version("v2", "b" * 64, "2026-01-02")
PLAN = TrafficPlan(Mode.CANARY, {"v1": 90, "v2": 10}, Guard())
ENDPOINT = Endpoint("pets", "http://h", CHAMPION, (), "kubernetes", beside=(CHALLENGER,), plan=PLAN)
RECORD = ClusterRecord(ENDPOINT, {"cat": 3})


class Pods:
    """A pod of each version, ready; what it counted, or why it does not say."""

    inside = False

    def __init__(self, said: str | ProjectError) -> None:
        self.said = said

    def list(self, kind: str, labels: object) -> list[Any]:
        return [{"metadata": {"name": "pod"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]

    def text(self, pod: str, path: str) -> str:
        if isinstance(self.said, ProjectError):
            raise self.said
        return self.said


@pytest.mark.parametrize(
    ("said", "requests", "unjudged"),
    [
        pytest.param('prediction_duration_seconds_count{model="pets"} 7', {"v2": 7}, "", id="it tells"),
        pytest.param(Missing("it has left", ""), {"v2": 0}, "", id="it left between two calls"),
        pytest.param(Unreachable("no route to host", ""), {}, "no route to host", id="it can not be asked"),
    ],
)
def test_pods_that_do_not_tell_leave_their_version_unjudged(
    said: str | ProjectError, requests: dict[str, int], unjudged: str
) -> None:
    cluster: Any = Pods(said)
    assert judging.judged(cluster, RECORD) == ({}, requests, unjudged)


def test_a_pod_that_leaves_is_not_asked_though_it_says_that_it_is_ready() -> None:
    """Of the same version deployed again: its address goes before it does, and a request there is lost for long."""

    class Leaving(Pods):
        def list(self, kind: str, labels: object) -> list[Any]:
            (pod,) = super().list(kind, labels)
            gone = {"name": "gone", "deletionTimestamp": "2026-01-03T00:00:00Z"}
            return [pod, {**pod, "metadata": gone}]

        def text(self, pod: str, path: str) -> str:
            assert pod.startswith("pod:")
            return super().text(pod, path)

    cluster: Any = Leaving('prediction_duration_seconds_count{model="pets"} 7')
    assert judging.judged(cluster, RECORD) == ({}, {"v2": 7}, "")


def test_from_a_pod_others_are_asked_at_their_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    class Inside(Pods):
        inside = True

        def list(self, kind: str, labels: object) -> list[Any]:
            (pod,) = super().list(kind, labels)
            return [{**pod, "status": {**pod["status"], "podIP": "127.0.0.1"}}]

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(b'prediction_duration_seconds_count{model="pets"} 7')

    cluster: Any = Inside(Unreachable("a policy keeps the API server out", ""))
    with HTTPServer(("127.0.0.1", 0), Metrics) as server:
        monkeypatch.setattr(judging, "PORT", server.server_port)
        Thread(target=server.serve_forever, daemon=True).start()
        assert judging.judged(cluster, RECORD) == ({}, {"v2": 7}, "")
        server.shutdown()
    breaches, requests, unjudged = judging.judged(cluster, RECORD)
    assert (breaches, requests) == ({}, {})
    assert "/metrics does not answer" in unjudged


def test_the_champion_is_counted_from_where_the_challenger_came_through_all_steps() -> None:
    cluster: Any = Pods('predictions_total{label="cat"} 9')
    again = Change([CHAMPION], (Version("v2", "b" * 64, "later"),), TrafficPlan(Mode.CANARY, {"v1": 50, "v2": 50}))
    assert judging.baseline(cluster, "pets", RECORD, again) == {"cat": 3}
    other = Change([CHAMPION], (Version("v3", "c" * 64, "later"),), TrafficPlan(Mode.CANARY, {"v1": 90, "v3": 10}))
    assert judging.baseline(cluster, "pets", RECORD, other) == {"cat": 9}
    assert judging.baseline(cluster, "pets", RECORD, Change([CHALLENGER])) == {}
