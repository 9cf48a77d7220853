"""Several workers are one server: what holds of one holds of all, also when one of them is killed."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.served import HOST, PATIENCE, Served, served, until
from tests.serving_bundle import ROW

BURST = 60


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Served]:
    """A server with two workers, which leaves nothing of them."""
    with served(tmp_path / "endpoint", "--rate", "0.001", "--burst", str(BURST), workers=2) as server:
        yield server
    assert server.process.returncode == 0
    assert list((tmp_path / "endpoint" / "workers").iterdir()) == []


def ask(pair: Served) -> int:
    """The status of one prediction, on a connection of its own, so that either worker may get it."""
    return pair.ask(body=ROW).status


def counted(pair: Served) -> int:
    """Rows predicted, as whichever worker is asked tells it."""
    text = pair.ask("/metrics").body.decode()
    return sum(int(number) for number in re.findall(r"^predictions_total{.*} (\d+)$", text, re.MULTILINE))


def test_a_killed_worker_takes_no_count_with_it(pair: Served) -> None:
    asked = 30
    assert [ask(pair) for _ in range(asked)] == [200] * asked
    before = pair.workers()
    # Once each worker has told its own count, neither may tell less than the whole, whatever happens to the other.
    until(lambda: [counted(pair) for _ in range(8)] == [asked] * 8)
    before[0].kill()
    told = set()
    while not set(pair.workers()) - set(before):
        told.add(counted(pair))
    told |= {counted(pair) for _ in range(20)}
    assert told == {asked}


def test_whichever_is_asked_tells_what_all_lost_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "endpoint" / "samples.jsonl").mkdir(parents=True)  # which takes no line
    with served(tmp_path / "endpoint", "--sample-rate", "1", workers=2) as server:
        asked = 30
        assert [ask(server) for _ in range(asked)] == [200] * asked

        def published() -> int:
            files = (server.folder / "workers").glob("*.counters")
            return sum(json.loads(path.read_bytes())["lost"] for path in files)

        until(lambda: published() == asked)
        assert f"\nrequest_log_lost_total {asked}\n" in server.ask("/metrics").body.decode()


def test_what_waits_to_be_accepted_survives_all_workers(pair: Served) -> None:
    before = pair.workers()
    for worker in before:
        worker.suspend()
    with ExitStack() as stack:
        waiting = [http.client.HTTPConnection(HOST, pair.port, timeout=PATIENCE) for _ in range(10)]
        for connection in waiting:
            stack.callback(connection.close)
            connection.request("POST", "/predict", json.dumps(ROW), {"content-type": "application/json"})
        for worker in before:
            worker.kill()
        assert [connection.getresponse().status for connection in waiting] == [200] * 10
    assert not set(before) & set(pair.workers())


@pytest.mark.slow
def test_a_worker_that_can_not_be_started_is_tried_again(pair: Served) -> None:
    """There may be no descriptor, process or memory left, as in a container with too few of them."""
    victim, other = pair.workers()
    supervisor = psutil.Process(pair.process.pid)
    most = supervisor.rlimit(psutil.RLIMIT_NOFILE)
    supervisor.rlimit(psutil.RLIMIT_NOFILE, (supervisor.num_fds() - 1, most[1]))
    victim.kill()
    victim.wait(60)
    assert [ask(pair) for _ in range(10)] == [200] * 10
    until(lambda: pair.workers() == [other])
    assert [ask(pair) for _ in range(10)] == [200] * 10
    supervisor.rlimit(psutil.RLIMIT_NOFILE, most)
    until(lambda: len(pair.workers()) == 2)


def test_a_limit_holds_for_all_workers_and_outlives_one(pair: Served) -> None:
    assert [ask(pair) for _ in range(BURST // 2)] == [200] * (BURST // 2)
    pair.workers()[0].kill()
    statuses = [ask(pair) for _ in range(BURST)]
    assert statuses == [200] * (BURST // 2) + [429] * (BURST // 2)


def test_a_change_reaches_every_worker(pair: Served) -> None:
    pair.bundles["2"] = pair.bundles["1"]
    pair.plan("replace", {"2": 100})
    assert [each["version"] for each in pair.acknowledged()] == ["2", "2"]
