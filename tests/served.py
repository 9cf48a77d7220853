"""The real server in processes of its own, and what a test asks of it: answers, raw bytes, memory, descriptors."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from project.paths import ROOT
from serving.folder import TRAFFIC, WORKERS, write_json

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds after which a test takes a server to hang, however loaded the machine is."""
REFERENCE = ROOT / "models" / "heart_disease"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Served:
    """A server under way."""

    folder: Path
    port: int
    grpc_port: int
    process: subprocess.Popen[bytes]
    bundles: dict[str, Path] = field(default_factory=dict)
    generation: int = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def key(self) -> str:
        """The one-time key that it said at its start."""
        return self.log().split("X-API-Key: ")[1].split()[0]

    def post(self, path: str, body: object) -> Any:
        """The answer as JSON, asked for with the one-time key where there is one."""
        return self.ask(path, body, {"x-api-key": self.key} if "X-API-Key" in self.log() else None).json

    def ask(
        self,
        path: str = "/predict",
        body: object = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        """One request on a connection of its own; a body that is no bytes is sent as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        given = {"content-type": "application/json", **(headers or {})}
        try:
            connection.request(method or ("GET" if data is None else "POST"), path, data, given)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes, *, half_close: bool = True) -> bytes:
        """All that comes back for these bytes until the server closes."""
        with socket.create_connection((HOST, self.port), timeout=PATIENCE) as connection:
            with suppress(ConnectionError):  # refused before the last byte
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            return received(connection)

    def workers(self) -> list[psutil.Process]:
        """Its worker processes."""
        return psutil.Process(self.process.pid).children()

    def memory(self) -> int:
        """Bytes that the workers hold together."""
        return sum(worker.memory_info().rss for worker in self.workers())

    def descriptors(self) -> int:
        """Open files and connections of the workers together."""
        return sum(worker.num_fds() for worker in self.workers())

    def plan(self, mode: str, weights: Mapping[str, float], **more: Any) -> None:
        """Give the workers another traffic plan, as a deployer does, and wait until each follows or refuses it."""
        import signal

        self.write(mode, weights, **more)
        self.process.send_signal(signal.SIGHUP)
        until(lambda: all(each["generation"] == self.generation for each in self.acknowledged()))

    def write(self, mode: str, weights: Mapping[str, float], **more: Any) -> None:
        """Write the traffic file."""
        self.generation += 1
        located = {}
        for version, path in self.bundles.items():
            digest = json.loads((path / "manifest.json").read_bytes())["digest"]
            located[version] = {"path": str(path), "digest": digest}
        plan = {"mode": mode, "weights": dict(weights), **more}
        write_json(self.folder / TRAFFIC, {"generation": self.generation, "plan": plan, "bundles": located})

    def acknowledged(self) -> list[dict[str, Any]]:
        """What each living worker says that it serves."""
        alive = {worker.pid for worker in self.workers()}
        found = []
        for path in (self.folder / WORKERS).glob("[0-9]*[0-9].json"):
            with suppress(FileNotFoundError):  # the supervisor has just taken a dead worker's away
                found.append(json.loads(path.read_bytes()))
        return [each for each in found if each["pid"] in alive]

    def log(self) -> str:
        """What the server said on standard error."""
        return (self.folder / "server.log").read_text()

    def printed(self) -> str:
        """What the server said on standard output."""
        return _output(self.folder).read_text()


@contextmanager
def served(
    folder: Path, *options: str, bundles: Mapping[str, Path] | None = None, workers: int = 1, is_open: bool = True
) -> Iterator[Served]:
    """A server of the reference bundle, or of these; the first of them answers, or none where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    port, grpc_port = free_port(), free_port()
    command = [sys.executable, "-m", "serving", "--directory", str(folder), "--port", str(port)]
    command += ["--grpc-port", str(grpc_port), "--workers", str(workers), *(["--open"] if is_open else []), *options]
    with (folder / "server.log").open("wb") as log, _output(folder).open("wb") as output:
        given = {"1": REFERENCE} if bundles is None else dict(bundles)
        server = Served(folder, port, grpc_port, None, given)  # type: ignore[arg-type]
        if given:
            server.write("replace", {next(iter(given)): 100})
        server.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: server.process.poll() is not None or len(server.acknowledged()) == workers)
        assert server.process.poll() is None, server.log()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(PATIENCE)


def _output(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.out")


def received(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port of this machine."""
    with socket.socket() as connection:
        return connection.connect_ex((HOST, port)) == 0


def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something to come true; at most half the time goes into looking."""
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if true():
            return
        now = time.monotonic()
        assert now < end, "it did not come true in time"
        time.sleep(max(0.01, now - began))
