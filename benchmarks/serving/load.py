"""Load: as much as a server takes (wrk), and at a fixed rate whether it keeps up or not (vegeta)."""

from __future__ import annotations

import base64
import csv
import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.serving.questions import Question
from benchmarks.serving.running import Running

TIMEOUT = 60


def saturate(
    running: Running, question: Question, count: int, seconds: int, connections: int, cores: str, threads: int = 1
) -> float:
    """Requests per second, each connection asking again as soon as it has its answer.

    Args:
        running: The server.
        question: What it is asked.
        count: Rows in a request.
        seconds: How long.
        connections: Kept alive.
        cores: Where wrk runs.
        threads: Of wrk.

    Raises:
        SystemExit: A request failed.
    """
    path, body = question.request(count)
    url = f"http://127.0.0.1:{running.port}{path}"
    pinned = ("taskset", "--cpu-list", cores)
    return by_wrk(url, running.headers, body, seconds, connections, threads, pinned)


def by_wrk(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    seconds: int,
    connections: int,
    threads: int = 1,
    pinned: Sequence[str] = (),
) -> float:
    """Requests per second of one POST said again and again.

    Args:
        url: Where to.
        headers: Of the request.
        body: Of the request, UTF-8.
        seconds: How long.
        connections: Kept alive.
        threads: Of wrk.
        pinned: What wrk's command begins with, such as `taskset`.

    Raises:
        SystemExit: A request failed.
    """
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(['wrk.method = "POST"', *lines, f"wrk.body = [==[{body.decode()}]==]"]))
        script.flush()
        command = [*pinned, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT}s"]
        said = subprocess.run([*command, f"--script={script.name}", url], check=True, capture_output=True, text=True)
    if "Non-2xx" in said.stdout or "Socket errors" in said.stdout:
        raise SystemExit(f"{url}: requests failed\n{said.stdout}")
    (rate,) = re.findall(r"Requests/sec: +([\d.]+)", said.stdout)
    return float(rate)


def at_rate(vegeta: Path, running: Running, question: Question, rate: int, seconds: int, core: str) -> list[float]:
    """Latencies in ms of single rows at a fixed rate, sorted.

    The clock of a request starts when it was due, not when a client that waits for a slow server came to send it.

    Raises:
        SystemExit: A request failed.
    """
    path, body = question.request(1)
    target = {
        "method": "POST",
        "url": f"http://127.0.0.1:{running.port}{path}",
        "header": {name: [value] for name, value in running.headers.items()},
        "body": base64.b64encode(body).decode(),
    }
    pinned, results = ["taskset", "--cpu-list", core, str(vegeta)], running.folder / "results"
    attack = [*pinned, "attack", "-format=json", f"-rate={rate}/s", f"-duration={seconds}s", f"-output={results}"]
    subprocess.run(attack, input=f"{json.dumps(target)}\n".encode(), check=True)
    rows = subprocess.run([*pinned, "encode", "-to=csv", results], check=True, capture_output=True, text=True).stdout
    starts, ends = [], []  # of every request as if it had been the first: equal where none was sent late
    for row in csv.reader(rows.splitlines()):
        timestamp, status, latency, number = int(row[0]), row[1], int(row[2]), int(row[8])
        if status != "200":
            raise SystemExit(f"{question.label}: a request at {rate}/s failed: {status} {row[5]}")
        before = number * 10**9 // rate
        starts.append(timestamp - before)
        ends.append(timestamp + latency - before)
    first = min(starts)
    return sorted((end - first) / 1e6 for end in ends)
