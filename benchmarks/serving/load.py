"""Load: as much as a server takes (wrk), and at a fixed rate whether it keeps up or not (vegeta)."""

from __future__ import annotations

import base64
import csv
import json
import re
import subprocess
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
    script = running.folder / "request.lua"
    lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in running.headers.items()]
    script.write_text("\n".join(['wrk.method = "POST"', *lines, f"wrk.body = [==[{body.decode()}]==]"]))
    command = ["taskset", "--cpu-list", cores, "wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s"]
    command += [f"--timeout={TIMEOUT}s", f"--script={script}", f"http://127.0.0.1:{running.port}{path}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"{question.label}: requests failed\n{said}")
    (rate,) = re.findall(r"Requests/sec: +([\d.]+)", said)
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
