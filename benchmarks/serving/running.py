"""A server under way: started on chosen cores, known to give the right answer, stopped with all it started."""

from __future__ import annotations

import http.client
import json
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.serving.environments import BUILD, make, programs
from benchmarks.serving.model import expected
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Server

STARTING, STOPPING, ASKING = 300.0, 10.0, 120.0
POLL = 0.01
TOLERANCE = 1e-5
"""Between a server's probability and the bundle's own."""


class Running:
    """Starts a server and waits for its first right answer.

    Args:
        server: The server.
        question: One that it answers.
        cores: Where it may run, as `taskset` has it.

    Raises:
        SystemExit: It ended, or gave no right answer in time.
    """

    def __init__(self, server: Server, question: Question, cores: str) -> None:
        self.name, environment = server.name, make(server.environment)
        self.folder = BUILD / "servers" / server.name
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = _free_ports(3)
        self.port = ports[0]
        if server.prepare:
            server.prepare(self.folder, ports)
        named: dict[str, Any] = {"bin": programs(server.environment), "folder": self.folder}
        named |= dict(zip(("port", "second", "third"), ports, strict=True))
        variables = {name: value.format_map(named) for name, value in server.variables.items()}
        key = self.folder / "key"
        self.headers = {"content-type": "application/json"} | ({"x-api-key": key.read_text()} if key.exists() else {})
        with (self.folder / "log").open("wb") as log:
            started = time.monotonic()
            self.process = psutil.Popen(
                ["taskset", "--cpu-list", cores, *(part.format_map(named) for part in server.command)],
                cwd=environment,
                env={**os.environ, "MODEL": str(BUILD / "model.onnx"), **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        """What was started; its workers are children of it."""
        try:
            while not self._answers(question):
                self._refuse_to_wait(time.monotonic() - started)
                time.sleep(POLL)
        except BaseException:
            self.stop()
            raise
        self.ready_seconds = time.monotonic() - started
        """From the start of the program to its first answer."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def memory(self) -> list[float]:
        """Resident MiB of each of its processes, the largest first."""
        family = [self.process, *self.process.children(recursive=True)]
        return sorted((each.memory_info().rss / 2**20 for each in family), reverse=True)

    def cpu_seconds(self) -> float:
        """CPU time that it and its processes have used so far."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (each.cpu_times() for each in family))

    def check(self, question: Question, count: int) -> None:
        """Ask once.

        Raises:
            SystemExit: The answer is not what the bundle says.
        """
        status, body = self._ask(question, count)
        if status != 200:
            raise SystemExit(f"{question.label}, {count} rows: {status} {body[:500]!r}")
        found = question.probability(json.loads(body))
        if not math.isnan(found) and abs(found - expected()) > TOLERANCE:
            raise SystemExit(f"{question.label}, {count} rows: {found}, the bundle says {expected()}")

    def stop(self) -> None:
        """End it and all that it started."""
        family = [self.process, *self.process.children(recursive=True)] if self.process.is_running() else []
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        _, alive = psutil.wait_procs(family, STOPPING)
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _refuse_to_wait(self, seconds: float) -> None:
        if self.process.poll() is not None or seconds > STARTING:
            raise SystemExit(f"{self.name} gave no answer:\n{(self.folder / 'log').read_text()[-2000:]}")

    def _answers(self, question: Question) -> bool:
        try:
            status, _ = self._ask(question, 1)
        except OSError:
            return False
        if status == 200:
            self.check(question, 1)
        return status == 200

    def _ask(self, question: Question, count: int) -> tuple[int, bytes]:
        path, body = question.request(count)
        with ExitStack() as stack:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASKING)
            stack.callback(connection.close)
            connection.request("POST", path, body, self.headers)
            response = connection.getresponse()
            return response.status, response.read()


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
