"""What the journey costs on this machine: time and memory of each command, beside a naive ZenML pipeline.

    .venv/bin/python benchmarks/journey.py [--rounds 3] [--clone]

Runs in a copy of the tree with stores of its own, one command at a time, and prints medians. Figures differ between
machines and hours: compare within one table, above all by the ratio to the naive pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".endpoints", "mlruns", "*.db", "reports", "__pycache__", ".*_cache")
STEP = re.compile(r"✓ (\S+) +([\d.]+) s")
SAMPLE_SECONDS = 0.5  # reading a proportional size costs the process time; what is imported stays anyway


@dataclass(frozen=True)
class Measured:
    """One command, run once."""

    seconds: float
    peak_mib: float
    """Largest memory of the command and its helper process together, without the server that it leaves behind.

    Proportional set sizes: of a library that both have mapped, each counts half.
    """
    output: str


def measure(command: list[str], folder: Path, environment: dict[str, str]) -> Measured:
    """Run a command and watch its memory.

    Raises:
        SystemExit: It failed.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    peak = 0

    def watch() -> None:
        nonlocal peak
        watched, pause = psutil.Process(process.pid), 0.01
        while process.poll() is None:
            with suppress(psutil.Error):  # one of them has just ended
                parts = [watched, *filter(_helps, watched.children())]
                peak = max(peak, sum(part.memory_full_info().pss for part in parts))
            time.sleep(pause)
            pause = min(2 * pause, SAMPLE_SECONDS)

    thread = threading.Thread(target=watch)
    thread.start()
    output, _ = process.communicate()
    seconds = time.monotonic() - started
    thread.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}:\n{output}")
    return Measured(seconds, peak / 2**20, output)


def _helps(child: psutil.Process) -> bool:
    return "project.aside" in child.cmdline()


def rounds_of(
    commands: dict[str, list[str]], rounds: int, folder: Path, environment: dict[str, str]
) -> dict[str, list[Measured]]:
    """Each command `rounds` times, in turns, so that a slow minute of the machine falls on all of them."""
    found: dict[str, list[Measured]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            found[name].append(measure(command, folder, environment))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each command runs (default 3)")
    parser.add_argument("--clone", action="store_true", help="also time a fresh clone up to its first prediction")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="journey-") as scratch:
        if options.clone:
            _print_clone(Path(scratch))
        folder = Path(scratch, "tree")
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        environment = {**os.environ, "ZENML_CONFIG_PATH": str(Path(scratch, "zenml"))}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        run = [sys.executable, "run.py"]
        local = [*run, "--stack", "local", "--port", port]
        naive = [sys.executable, "benchmarks/naive_pipeline.py"]
        naive_home = {**environment, "ZENML_CONFIG_PATH": str(Path(scratch, "naive"))}
        naive_home |= {"ZENML_ANALYTICS_OPT_IN": "false", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
        try:
            first = measure(local, folder, environment)
            measure(naive, folder, naive_home)
            found: dict[str, Any] = {"journey, nothing cached": [], "journey, cached": [], "naive pipeline": []}
            for _ in range(options.rounds):
                found["naive pipeline"] += rounds_of({"naive": naive}, 1, folder, naive_home)["naive"]
                for name, command in {
                    "journey, nothing cached": [*local, "--no-cache"],
                    "journey, cached": local,
                }.items():
                    found[name] += rounds_of({name: command}, 1, folder, environment)[name]
            quick = {name: [*run, *name.split()[1:]] for name in ("run.py --help", "run.py status", "run.py endpoint")}
            found |= rounds_of(quick, 2 * options.rounds, folder, environment)
            found |= _rollback(run, local, folder, environment, options.rounds)
        finally:
            measure([*run, "down", "--all"], folder, environment)
    _print(first, found)


def _rollback(
    run: list[str], local: list[str], folder: Path, environment: dict[str, str], rounds: int
) -> dict[str, list[Measured]]:
    """Another seed makes a second version; then back and forth between the two."""

    def serving() -> str:
        return str(
            json.loads(measure([*run, "status", "--json"], folder, environment).output)["endpoints"][0]["version"]
        )

    first = serving()
    config = folder / "configs/training.yaml"
    config.write_text(config.read_text().replace("seed: 7", "seed: 11"))
    measure(local, folder, environment)
    targets = [first, serving()] * rounds
    return {"run.py rollback": [measure([*run, "rollback", "--to", to], folder, environment) for to in targets]}


def _print_clone(scratch: Path) -> None:
    """Clone to first prediction, with whatever the package caches hold."""
    folder = scratch / "clone"
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(scratch / "clone-zenml")}
    started = time.monotonic()
    measure(["git", "clone", "--quiet", str(ROOT), str(folder)], scratch, environment)
    try:
        measure(["make", "run", "ARGS=--stack local --port 8099"], folder, environment)
        print(f"clone to first prediction   {time.monotonic() - started:.0f} s")
    finally:
        measure([".venv/bin/python", "run.py", "down", "--all"], folder, environment)


def _print(first: Measured, found: dict[str, list[Measured]]) -> None:
    naive = statistics.median(m.seconds for m in found["naive pipeline"])
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; medians\n")
    print(f"{'command':<28}{'seconds':>9}{'of naive':>10}{'peak MiB':>10}{'runs':>6}")
    for name, runs in {"journey, empty stores": [first], **found}.items():
        seconds, peak = statistics.median(m.seconds for m in runs), max(m.peak_mib for m in runs)
        print(f"{name:<28}{seconds:>9.2f}{seconds / naive:>10.2f}{peak:>10.0f}{len(runs):>6}")
    print("\nsteps of the journey, nothing cached\n")
    steps: dict[str, list[float]] = {}
    for run in found["journey, nothing cached"]:
        for name, seconds in STEP.findall(run.output):
            steps.setdefault(name, []).append(float(seconds))
    inside = 0.0
    for name, times in steps.items():
        inside += sum(times) / len(found["journey, nothing cached"])
        print(f"{name:<28}{statistics.median(times):>9.1f}")
    whole = statistics.median(m.seconds for m in found["journey, nothing cached"])
    print(f"{'imports, stores, compiling':<28}{whole - inside:>9.1f}")


if __name__ == "__main__":
    main()
