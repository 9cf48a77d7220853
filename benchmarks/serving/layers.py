"""Where the time of a single row goes: our worker's stack, looked at while it is under load."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Sequence

import psutil

from benchmarks.serving.environments import BUILD, PROFILER, make, programs
from benchmarks.serving.load import saturate
from benchmarks.serving.questions import Question
from benchmarks.serving.running import Running

RATE, SECONDS = 100, 20
"""Looks a second, each of which stops the worker for a few ms, and seconds."""
LAYERS = (
    ("the model", r"onnxruntime|serving/bundle\.py"),
    ("sending the answer", r"^Protocol\._write"),
    ("parsing HTTP", r"uvicorn|serving/(wire|connection)\.py"),
    ("key and limits", r"serving/(access|keys|limits)\.py"),
    ("reading and judging the row", r"serving/(rows|columns)\.py"),
    ("request log and samples", r"serving/request_log\.py"),
    ("metrics", r"serving/metrics\.py"),
    ("event loop, receiving", r"asyncio"),
)
"""By the innermost Python function, `NAME (FILE:LINE)`, to which what it calls in C counts; the first that fits."""
REST = "what joins them"


def shares(running: Running, question: Question, core: str, connections: int) -> dict[str, float]:
    """Share of each layer in the time of the worker's main thread, the largest first.

    Raises:
        SystemExit: A request failed, or the profiler did.
    """
    make(PROFILER)
    looks = BUILD / PROFILER / "looks"
    worker = max((running.process, *running.process.children(recursive=True)), key=_busy)
    command = ["taskset", "--cpu-list", core, str(programs(PROFILER) / "py-spy"), "record", "--pid", str(worker.pid)]
    command += ["--duration", str(SECONDS), "--rate", str(RATE), "--format", "raw", "--output", str(looks)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as profiler:
        saturate(running, question, 1, SECONDS + 1, connections, core)
        _, said = profiler.communicate()
    if profiler.returncode:
        raise SystemExit(f"py-spy failed:\n{said}")
    return _by_layer(looks.read_text().splitlines())


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _by_layer(lines: Sequence[str]) -> dict[str, float]:
    """Of lines `OUTERMOST;...;INNERMOST COUNT`; the pool's idle threads are left out."""
    counted: Counter[str] = Counter()
    for line in lines:
        stack, count = line.rsplit(" ", 1)
        innermost = stack.split(";")[-1]
        if "serving/worker.py" in stack:
            counted[next((name for name, found in LAYERS if re.search(found, innermost)), REST)] += int(count)
    return {name: count / counted.total() for name, count in counted.most_common()}
