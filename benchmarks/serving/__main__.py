"""What this server and others make of one core, with one model and the same rows.

    .venv/bin/python -m benchmarks.serving [--peers mlflow sketch ...] [--rounds 12] [--quick]

Each server runs on core 0, the load comes from core 1. All are up at once and are measured in many short turns, so
that a slow moment of the machine falls on all of them; figures are medians, ratios the medians of those within a
round, and only ratios mean something elsewhere. The first run makes an environment for each peer below build/. Needs
Linux, two cores, wrk, and Go or vegeta. A run of everything writes docs/serving-benchmark.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict

from benchmarks.serving.batching import microseconds_together
from benchmarks.serving.environments import BUILD, OURS, make, vegeta
from benchmarks.serving.layers import shares
from benchmarks.serving.load import at_rate, saturate
from benchmarks.serving.model import BUNDLE
from benchmarks.serving.questions import QUESTIONS, Question
from benchmarks.serving.report import Found, tables, write
from benchmarks.serving.running import Running
from benchmarks.serving.servers import SERVERS, Server, ours

SERVER_CORE, LOAD_CORE, BOTH = "0", "1", "0,1"
CONNECTIONS = {1: 16, 100: 16, 10_000: 2}
"""Kept-alive connections, by rows in a request."""
SECONDS = {1: 1, 100: 1, 10_000: 3}
"""Of a turn, by rows in a request: what takes longest answers ten in it."""
RATE, RATE_SECONDS = 1000, 12
STEADY = ("hello", "sketch", OURS, "fastapi-onnx")
"""Servers that keep up with `RATE`; MLServer with ONNX falls behind and drops connections."""
STARTS = 5
WARM = 1
PREDICT = next(question for question in QUESTIONS if question.server == OURS)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [server.name for server in SERVERS if server.name != OURS]
    parser.add_argument("--peers", nargs="*", choices=names, default=names, help="beside ours (default: all)")
    parser.add_argument("--rounds", type=int, default=12, help="of single rows; of several, a quarter (default: 12)")
    parser.add_argument("--quick", action="store_true", help="single rows alone")
    parser.add_argument("--prepare", action="store_true", help="make the environments and stop")
    options = parser.parse_args()
    chosen = [server for server in SERVERS if server.name in (OURS, *options.peers)]
    environments = list(dict.fromkeys(server.environment for server in chosen))
    for environment in environments:
        make(environment)
    shutil.copy(BUNDLE / "model.onnx", BUILD / "model.onnx")
    generator = vegeta()
    if options.prepare:
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which stops the servers too
    found = Found()
    with ExitStack() as stack:
        running = _start(stack, chosen, found)
        found.rates[1], found.cpu = _saturate(running, 1, options.rounds)
        found.memory = {name: sum(each.memory()) for name, each in running.items()}
        found.worker = running[OURS].memory()[0]
        _keep(found)
        if not options.quick:
            for size in (100, 10_000):
                found.rates[size], _ = _saturate(running, size, max(options.rounds // 4, 1))
                _keep(found)
            for question in _asked(running):
                if question.server in STEADY:
                    _say(f"{question.label} at {RATE}/s")
                    found.latencies[question.label] = at_rate(
                        generator, running[question.server], question, RATE, RATE_SECONDS, LOAD_CORE
                    )
            found.layers = shares(running[OURS], PREDICT, LOAD_CORE, CONNECTIONS[1])
    if not options.quick:
        found.workers = _scale(options.rounds)
        found.together = microseconds_together(json.loads((BUNDLE / "manifest.json").read_bytes())["digest"])
        if options.peers == names:
            write(found, environments, ".venv/bin/python -m benchmarks.serving")
    print(*tables(found).values(), sep="\n\n")


def _start(stack: ExitStack, chosen: Sequence[Server], found: Found) -> dict[str, Running]:
    """Start one after the other; ours several times, since a median of few seconds needs that."""
    running = {}
    for server in chosen:
        question = next(each for each in QUESTIONS if each.server == server.name)
        ready = []
        for _ in range(STARTS - 1 if server.name == OURS else 0):
            with Running(server, question, SERVER_CORE) as once:
                ready.append(once.ready_seconds)
        started = running[server.name] = stack.enter_context(Running(server, question, SERVER_CORE))
        found.ready[server.name] = statistics.median([*ready, started.ready_seconds])
        _say(f"{server.name} is ready after {found.ready[server.name]:.2f} s")
    return running


def _asked(running: Mapping[str, Running]) -> list[Question]:
    return [question for question in QUESTIONS if question.server in running]


def _saturate(
    running: Mapping[str, Running], count: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Requests per second of each round, in which everyone has a turn, and median µs of CPU per request, by label."""
    seconds = SECONDS[count]
    rates: dict[str, list[float]] = defaultdict(list)
    cpu: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for question in _asked(running):
            server = running[question.server]
            if number == 0:
                server.check(question, count)
                saturate(server, question, count, WARM, CONNECTIONS[count], LOAD_CORE)
            before = server.cpu_seconds()
            rate = saturate(server, question, count, seconds, CONNECTIONS[count], LOAD_CORE)
            rates[question.label].append(rate)
            answered = max(rate * seconds, 1)  # none is, where one request takes longer than this
            cpu[question.label].append((server.cpu_seconds() - before) / answered * 1e6)
            _say(f"{count} rows, round {number + 1} of {rounds}: {question.label} {rate:,.0f} requests/s")
    return dict(rates), {label: statistics.median(each) for label, each in cpu.items()}


def _scale(rounds: int) -> dict[int, list[float]]:
    """Requests per second in each round of ours on two cores, which the load shares, by workers."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        running = {n: stack.enter_context(Running(ours(f"ours-{n}", n), PREDICT, BOTH)) for n in rates}
        for _ in range(rounds):
            for workers, server in running.items():
                rates[workers].append(saturate(server, PREDICT, 1, SECONDS[1], CONNECTIONS[1], BOTH))
    return rates


def _keep(found: Found) -> None:
    """Write down what is measured so far: a run that is interrupted later was not for nothing."""
    (BUILD / "found.json").write_text(json.dumps(asdict(found), indent=1))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
