"""Several workers are one server: what holds of one holds of all, also when one of them is killed."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from project.paths import ROOT

BUNDLE = ROOT / "models" / "heart_disease"
ROW = json.dumps(json.loads((BUNDLE / "serving.json").read_bytes())["example"]["row"]).encode()
BURST = 60


@dataclass(frozen=True)
class Pair:
    """A server with two workers."""

    port: int
    supervisor: psutil.Process

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own, so that either worker may get it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.connect()
        return connection

    def ask(self) -> int:
        """The status of one prediction."""
        connection = self.connect()
        connection.request("POST", "/predict", ROW, {"content-type": "application/json"})
        status = connection.getresponse().status
        connection.close()
        return status

    def counted(self) -> int:
        """Rows predicted, as whichever worker is asked tells it."""
        connection = self.connect()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return sum(int(number) for number in re.findall(r"^predictions_total{.*} (\d+)$", text, re.MULTILINE))


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    digest = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
    traffic = {
        "generation": 1,
        "plan": {"mode": "replace", "weights": {"1": 1}},
        "bundles": {"1": {"path": str(BUNDLE), "digest": digest}},
    }
    (tmp_path / "traffic.json").write_text(json.dumps(traffic))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "serving", "--open", "--directory", str(tmp_path), "--port", str(port)]
    command += ["--workers", "2", "--rate", "0.001", "--burst", str(BURST)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        try:
            until(lambda: len(list(tmp_path.glob("workers/*.json"))) == 2)
            yield Pair(port, psutil.Process(server.pid))
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
    assert list((tmp_path / "workers").iterdir()) == []


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def test_a_killed_worker_takes_no_count_with_it(pair: Pair) -> None:
    asked = 30
    assert [pair.ask() for _ in range(asked)] == [200] * asked
    before = pair.supervisor.children()
    # Once each worker has told its own count, neither may tell less than the whole, whatever happens to the other.
    until(lambda: [pair.counted() for _ in range(8)] == [asked] * 8)
    before[0].kill()
    told = set()
    while not set(pair.supervisor.children()) - set(before):
        told.add(pair.counted())
    told |= {pair.counted() for _ in range(20)}
    assert told == {asked}


def test_what_waits_to_be_accepted_survives_all_workers(pair: Pair) -> None:
    before = pair.supervisor.children()
    for worker in before:
        worker.suspend()
    with ExitStack() as stack:
        waiting = [pair.connect() for _ in range(10)]
        for connection in waiting:
            stack.callback(connection.close)
            connection.request("POST", "/predict", ROW, {"content-type": "application/json"})
        for worker in before:
            worker.kill()
        assert [connection.getresponse().status for connection in waiting] == [200] * 10
    assert not set(before) & set(pair.supervisor.children())


def test_a_worker_that_can_not_be_started_is_tried_again(pair: Pair) -> None:
    """There may be no descriptor, process or memory left, as in a container with too few of them."""
    victim, other = pair.supervisor.children()
    most = pair.supervisor.rlimit(psutil.RLIMIT_NOFILE)
    pair.supervisor.rlimit(psutil.RLIMIT_NOFILE, (pair.supervisor.num_fds() - 1, most[1]))
    victim.kill()
    victim.wait(60)
    assert [pair.ask() for _ in range(10)] == [200] * 10
    until(lambda: pair.supervisor.children() == [other])
    assert [pair.ask() for _ in range(10)] == [200] * 10
    pair.supervisor.rlimit(psutil.RLIMIT_NOFILE, most)
    until(lambda: len(pair.supervisor.children()) == 2)


def test_a_limit_holds_for_all_workers_and_outlives_one(pair: Pair) -> None:
    assert [pair.ask() for _ in range(BURST // 2)] == [200] * (BURST // 2)
    pair.supervisor.children()[0].kill()
    statuses = [pair.ask() for _ in range(BURST)]
    assert statuses == [200] * (BURST // 2) + [429] * (BURST // 2)


def test_a_change_reaches_every_worker(pair: Pair) -> None:
    folder = Path(pair.supervisor.cmdline()[5])
    traffic = json.loads((folder / "traffic.json").read_bytes())
    traffic |= {"generation": 2, "plan": {"mode": "replace", "weights": {"2": 1}}}
    traffic["bundles"]["2"] = traffic["bundles"]["1"]
    (folder / "traffic.json").write_text(json.dumps(traffic))
    os.kill(pair.supervisor.pid, signal.SIGHUP)

    def versions() -> set[str]:
        return {json.loads(path.read_bytes())["version"] for path in folder.glob("workers/*.json")}

    until(lambda: versions() == {"2"})
