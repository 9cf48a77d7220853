"""The request log: its lines, its samples, its bounds."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving import open_inference_pb2 as pb
from serving.app import App
from serving.bundle import Model
from serving.metrics import Metrics
from serving.plan import Routing
from serving.request_log import WAITING, Lines, RequestLog
from serving.traffic import TrafficTable
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker
from tests.unit.serving.test_serving_grpc import called


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> RequestLog:
    requests, samples = (Lines(tmp_path / f"{name}.jsonl", 10_000, 3) for name in ("requests", "samples"))
    return RequestLog(requests, samples, rate=1.0)


@pytest.fixture
def ask(heart: Model, log: RequestLog, tmp_path: Path) -> Asker:
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    return Asker(App(table, Metrics(), log=log))


def test_a_line_per_request_and_never_a_key(ask: Asker, log: RequestLog, tmp_path: Path) -> None:
    secret = {"x-api-key": "very-secret", "authorization": "Bearer very-secret"}
    ask(body=ROW, headers={"x-request-id": "a-1", **secret})
    ask(body=[ROW, ROW], headers={"x-request-id": "a-2", **secret})
    ask(body={**ROW, "age": 1000}, headers={"x-request-id": "a-3", **secret})
    ask("/nothing", headers={"x-request-id": "a-4", **secret})
    log.close()
    found = lines_of(tmp_path / "requests.jsonl")
    keys = ("request_id", "route", "status", "version", "rows")
    assert [tuple(line[key] for key in keys) for line in found] == [
        ("a-1", "/predict", 200, "7", 1),
        ("a-2", "/predict", 200, "7", 2),
        ("a-3", "/predict", 422, "", 0),
        ("a-4", "other", 404, "", 0),
    ]
    assert all(
        0 < line["ms"] < 10_000 and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", line["time"]) for line in found
    )
    assert not any("very-secret" in path.read_text() for path in tmp_path.glob("*.jsonl"))


def test_samples_hold_what_was_asked_and_answered(ask: Asker, log: RequestLog, tmp_path: Path) -> None:
    answer = ask(body=json.dumps(ROW, indent=1).encode(), headers={"x-request-id": "b-1"}).json
    ask(body={**ROW, "age": 1000})
    log.close()
    (found,) = lines_of(tmp_path / "samples.jsonl")
    assert (found["request_id"], found["route"], found["version"]) == ("b-1", "/predict", "7")
    assert (found["request"], found["response"]) == (ROW, answer)


def test_a_byte_order_mark_does_not_break_the_line(ask: Asker, log: RequestLog, tmp_path: Path) -> None:
    assert ask(body=b"\xef\xbb\xbf" + json.dumps(ROW).encode()).status == 200
    log.close()
    assert [line["request"] for line in lines_of(tmp_path / "samples.jsonl")] == [ROW]


def test_what_is_not_json_all_through_is_no_sample(ask: Asker, heart: Model, log: RequestLog, tmp_path: Path) -> None:
    values = np.array(list(ROW.values()), dtype="<f8").tobytes()
    tensor = {"name": "features", "datatype": "FP64", "shape": [1, 13], "parameters": {"binary_data_size": len(values)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    length = {"inference-header-content-length": str(len(head))}
    assert ask("/v2/models/heart_disease/infer", head + values, headers=length).status == 200
    message = pb.ModelInferRequest(model_name="heart_disease", raw_input_contents=[values])
    message.inputs.add(name="features", datatype="FP64", shape=[1, 13])
    called(ask.app, "ModelInfer", message.SerializeToString())
    log.close()
    assert [line["status"] for line in lines_of(tmp_path / "requests.jsonl")] == [200, 200]
    assert not (tmp_path / "samples.jsonl").exists()


@pytest.mark.parametrize("kind", ["", "application/vnd.seldon+json", "Application/JSON"])
def test_a_body_of_json_is_a_sample_whatever_it_is_called(
    ask: Asker, log: RequestLog, tmp_path: Path, kind: str
) -> None:
    assert ask("/api/v1.0/feedback", {"reward": 1.0}, headers={"content-type": kind}).status == 200
    log.close()
    assert [line["request"] for line in lines_of(tmp_path / "samples.jsonl")] == [{"reward": 1.0}]


def test_feedback_is_kept_when_its_version_is_gone(heart: Model, log: RequestLog, tmp_path: Path) -> None:
    log.rate = 0.0
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    ask = Asker(App(table, Metrics(), log=log))
    said = [{"reward": 1.0, "response": {"meta": {"tags": {"version": version}}}} for version in ("7", '6"', "")]
    for each in said:
        assert ask("/api/v1.0/feedback", each).status == 200
    log.close()
    found = lines_of(tmp_path / "samples.jsonl")
    assert [(line["version"], line["request"]) for line in found] == list(zip(("7", "", "7"), said, strict=True))
    assert ask.app.metrics.of(heart).feedback == 2


def test_without_samples_no_input_is_kept(heart: Model, tmp_path: Path) -> None:
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    log = RequestLog(Lines(tmp_path / "requests.jsonl", 10_000, 3))
    Asker(App(table, Metrics(), log=log))(body=ROW)
    log.close()
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["requests.jsonl"]
    assert "age" not in (tmp_path / "requests.jsonl").read_text()


def test_an_id_that_would_break_the_line_is_replaced(ask: Asker, log: RequestLog, tmp_path: Path) -> None:
    ask(body=ROW, headers={"x-request-id": 'a"b'})
    ask(body=ROW, headers={"x-request-id": "a\\b"})
    log.close()
    assert all(re.fullmatch(r"[0-9a-f]{16}-\d", line["request_id"]) for line in lines_of(tmp_path / "requests.jsonl"))


def test_lines_are_written_while_the_server_runs(tmp_path: Path) -> None:
    async def add() -> None:
        lines.add(b"one\n")
        while not path.exists() or path.read_bytes() != b"one\ntwo\n":
            if path.exists() and not lines._lines and lines._writing is None:
                lines.add(b"two\n")
            await asyncio.sleep(0.01)

    path = tmp_path / "log"
    lines = Lines(path, 100, 2)
    asyncio.run(asyncio.wait_for(add(), 30))
    assert path.read_bytes() == b"one\ntwo\n"


def test_files_turn_over_and_their_number_is_bounded(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "log", 30, 3)
    for number in range(12):
        lines._write([b"line number %02d\n" % number])
    found = {path.name: path.read_bytes() for path in tmp_path.glob("log*")}
    assert found == {
        "log": b"line number 10\nline number 11\n",
        "log.1": b"line number 08\nline number 09\n",
        "log.2": b"line number 06\nline number 07\n",
    }


def test_what_does_not_fit_is_counted(heart: Model, tmp_path: Path) -> None:
    async def fill() -> None:
        for _ in range(3):
            lines.add(b"x" * (WAITING // 2))

    lines = Lines(tmp_path / "log", 100, 2)
    asyncio.run(fill())
    assert lines.lost == 1
    full = Lines(tmp_path / "missing" / "log", 100, 2)
    full._write([b"a\n", b"b\n"])
    assert full.lost == 2
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    text = Asker(App(table, Metrics(), log=RequestLog(lines, full)))("/metrics", method="GET").body.decode()
    assert "\nrequest_log_lost_total 3\n" in text


def test_a_full_disk_takes_whole_lines_only(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "log", 1000, 2)
    lines._write([b'{"n": 1}\n'])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (13, hard))  # four bytes more, then no file of this process grows
    try:
        lines._write([b'{"n": 2}\n'])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    lines._write([b'{"n": 3}\n'])
    assert lines_of(tmp_path / "log") == [{"n": 1}, {"n": 3}]
    assert lines.lost == 1


def test_the_lines_of_two_workers_do_not_mix_on_standard_output() -> None:
    worker = """
import sys
from pathlib import Path
from serving.request_log import Lines

Lines(Path("-"), 1000, 2)._write([b'{"worker": %s, "line": %d}\\n' % (sys.argv[1].encode(), n) for n in range(20_000)])
"""
    read, write = os.pipe()
    workers = [subprocess.Popen([sys.executable, "-c", worker, number], stdout=write) for number in ("1", "2")]
    os.close(write)
    with os.fdopen(read, "rb", buffering=3000) as slow:
        found = [json.loads(line) for line in slow]
    assert [process.wait() for process in workers] == [0, 0]
    for worker_number in (1, 2):
        assert [each["line"] for each in found if each["worker"] == worker_number] == list(range(20_000))
