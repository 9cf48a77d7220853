"""What this server and others make of one core, with one model and the same rows.

    .venv/bin/python -m benchmarks.serving [--peers mlflow sketch ...] [--seconds 4] [--rounds 3] [--quick]

Each server runs on core 0, the load comes from core 1. All are up at once and are measured in turns, so that a slow
minute of the machine falls on all of them; figures are medians, and only their ratios mean something elsewhere. The
first run makes an environment for each peer below build/. Needs Linux, two cores, wrk, and Go or vegeta. A run of
everything writes docs/serving-benchmark.md.
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
from benchmarks.serving.load import at_rate, saturate
from benchmarks.serving.model import BUNDLE
from benchmarks.serving.questions import QUESTIONS, Question
from benchmarks.serving.report import Found, tables, write
from benchmarks.serving.running import Running
from benchmarks.serving.servers import SERVERS, Server, ours

SERVER_CORE, LOAD_CORE, BOTH = "0", "1", "0,1"
CONNECTIONS = {1: 16, 100: 16, 10_000: 2}
"""Kept-alive connections, by rows in a request."""
RATE = 1000
STEADY = ("hello", "sketch", OURS, "fastapi-onnx", "mlserver-onnx")
"""Servers that may keep up with `RATE`."""
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
    parser.add_argument("--seconds", type=int, default=4, help="of each measurement (default: %(default)d)")
    parser.add_argument("--rounds", type=int, default=3, help="of single rows; of several, one less (default: 3)")
    parser.add_argument("--quick", action="store_true", help="single rows alone, one round of two seconds")
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
    if options.quick:
        options.seconds, options.rounds = 2, 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # which stops the servers too
    found = Found()
    with ExitStack() as stack:
        running = _start(stack, chosen, found)
        found.rates[1], found.cpu = _saturate(running, 1, options.seconds, options.rounds)
        found.memory = {name: sum(each.memory()) for name, each in running.items()}
        found.worker = running[OURS].memory()[0]
        _keep(found)
        if not options.quick:
            for size in (100, 10_000):
                found.rates[size], _ = _saturate(running, size, options.seconds, max(options.rounds - 1, 1))
                _keep(found)
            for question in _asked(running):
                if question.server in STEADY:
                    _say(f"{question.label} at {RATE}/s")
                    found.latencies[question.label] = at_rate(
                        generator, running[question.server], question, RATE, 3 * options.seconds, LOAD_CORE
                    )
    if not options.quick:
        found.workers = _scale(options.seconds)
        found.together = microseconds_together(json.loads((BUNDLE / "manifest.json").read_bytes())["digest"])
        if options.peers == names:
            write(found, environments, "python -m benchmarks.serving")
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
    running: Mapping[str, Running], count: int, seconds: int, rounds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Requests per second and µs of CPU time per request, by label: medians of rounds in which everyone has a turn."""
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
    return _medians(rates), _medians(cpu)


def _medians(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(each) for name, each in found.items()}


def _scale(seconds: int) -> dict[int, float]:
    """Requests per second of ours on two cores, which the load shares, by workers."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    with ExitStack() as stack:
        running = {n: stack.enter_context(Running(ours(f"ours-{n}", n), PREDICT, BOTH)) for n in rates}
        for _ in range(3):
            for workers, server in running.items():
                rates[workers].append(saturate(server, PREDICT, 1, seconds, CONNECTIONS[1], BOTH))
    return {workers: statistics.median(each) for workers, each in rates.items()}


def _keep(found: Found) -> None:
    """Write down what is measured so far: a run that is interrupted later was not for nothing."""
    (BUILD / "found.json").write_text(json.dumps(asdict(found), indent=1))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
