"""The supervisor: owns the listening socket, keeps workers alive, hands on signals.

It imports nothing heavy and answers no request, so it has no reason to crash; a worker that does leaves the
socket open, and connections wait in its queue until the next worker accepts them.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EADDRINUSE
from pathlib import Path

from serving.counters import retire
from serving.draining import close_gently
from serving.folder import SERVER, WORKERS, write_json
from serving.limits import Buckets
from serving.log import LOGGER
from serving.log import start as start_logging

BACKLOG = 2048
DRAIN = 15.0
HEALTHY = 5.0
"""Seconds a worker must live for its crash to count as the first again."""
SLOWEST_RESTART = 5.0


@dataclass(slots=True)
class Slot:
    """A place for one worker."""

    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    due: float = 0.0


@dataclass(slots=True)
class Supervisor:
    """Runs one endpoint's workers.

    Args:
        directory: The endpoint's folder.
        host: Address to listen on.
        port: TCP port.
        workers: Number of worker processes.
        options: Further arguments of every worker.
        grpc_port: TCP port of the Open Inference protocol over gRPC; None to leave it out.
        tls: Whether the workers speak TLS, for who reads `server.json`.
    """

    directory: Path
    host: str
    port: int
    workers: int
    options: Sequence[str] = ()
    grpc_port: int | None = None
    tls: bool = False
    slots: list[Slot] = field(default_factory=list)
    received: set[int] = field(default_factory=set)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code is 0, or 1 if a port is not free or the folder takes no file."""
        start_logging()
        listeners = []
        for option, port in (("--port", self.port), ("--grpc-port", self.grpc_port)):
            try:
                listeners += [self._listen(port)] if port is not None else []
            except OSError as error:
                taken = f"; stop what listens there, or choose another {option}" if error.errno == EADDRINUSE else ""
                LOGGER.error("can not listen on %s:%d: %s%s", self.host, port, error.strerror, taken)
                return 1
        listener = listeners[0]
        alive_read, alive_write = os.pipe()
        wake_read, wake_write = socket.socketpair()
        wake_read.setblocking(False)
        wake_write.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda received, _frame: self.received.add(received))
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        self._clear_acknowledgements()
        self.slots = [Slot() for _ in range(self.workers)]
        command = [sys.executable, "-m", "serving.worker", "--directory", str(self.directory)]
        command += ["--listen-fd", str(listener.fileno()), "--alive-fd", str(alive_read)]
        limits = Buckets.share()
        command += ["--limits-fd", str(limits)]
        if self.grpc_port is not None:
            command += ["--grpc-fd", str(listeners[1].fileno())]
        command += self.options
        port = listener.getsockname()[1]
        server = {"pid": os.getpid(), "started": time.time(), "host": self.host, "port": port}
        try:
            write_json(self.directory / SERVER, {**server, "tls": self.tls, "workers": self.workers})
        except OSError as error:
            LOGGER.error("%s can not be written: %s", self.directory / SERVER, error.strerror)
            return 1
        LOGGER.info("listening on %s:%d", self.host, port)
        selector = selectors.DefaultSelector()
        selector.register(wake_read, selectors.EVENT_READ)
        while not self.received & {signal.SIGTERM, signal.SIGINT}:
            self._reap()
            self._start_due(command, (*(each.fileno() for each in listeners), alive_read, limits))
            if signal.SIGHUP in self.received:
                self.received.discard(signal.SIGHUP)
                self._signal(signal.SIGHUP)
            waiting = [slot.due for slot in self.slots if slot.process is None]
            selector.select(max(0.0, min(waiting) - time.monotonic()) if waiting else None)
            with suppress(BlockingIOError):
                wake_read.recv(4096)
        close_gently(listeners)
        self._stop()
        self._clear_acknowledgements()
        (self.directory / SERVER).unlink(missing_ok=True)
        LOGGER.info("stopped")
        os.close(alive_write)
        return 0

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener

    def _start_due(self, command: list[str], inherited: tuple[int, ...]) -> None:
        for slot in self.slots:
            if slot.process is None and slot.due <= time.monotonic():
                # A SIGHUP that arrives while a worker starts must wait for its handler, not kill it.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
                try:
                    slot.process = subprocess.Popen(command, pass_fds=inherited, stdin=subprocess.DEVNULL)
                except OSError as error:  # no memory, process or descriptor left: the workers that live must not go too
                    slot.due = time.monotonic() + SLOWEST_RESTART
                    LOGGER.error("no worker can be started, again in %.1f s: %s", SLOWEST_RESTART, error)
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
                slot.started = time.monotonic()

    def _reap(self) -> None:
        for slot in self.slots:
            if slot.process is None or slot.process.poll() is None:
                continue
            lived = time.monotonic() - slot.started
            slot.crashes = 1 if lived > HEALTHY else slot.crashes + 1
            pause = 0.0 if slot.crashes == 1 else min(0.1 * 2**slot.crashes, SLOWEST_RESTART)
            how = f"worker {slot.process.pid} ended with {slot.process.returncode} after {lived:.1f} s"
            LOGGER.error("%s; starting another in %.1f s", how, pause)
            self._forget(slot.process.pid)
            slot.process, slot.due = None, time.monotonic() + pause

    def _stop(self) -> None:
        """Let workers finish what they answer; end those that do not."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + DRAIN
        for process in [slot.process for slot in self.slots if slot.process is not None]:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _signal(self, number: int) -> None:
        for slot in self.slots:
            if slot.process is not None and slot.process.poll() is None:
                slot.process.send_signal(number)

    def _forget(self, pid: int) -> None:
        (self.directory / WORKERS / f"{pid}.json").unlink(missing_ok=True)
        try:
            retire(self.directory / WORKERS, pid)
        except OSError as error:  # a full disk: they stay where they are
            LOGGER.error("the counters of worker %d can not be added: %s", pid, error)

    def _clear_acknowledgements(self) -> None:
        (self.directory / WORKERS).mkdir(exist_ok=True)
        for kind in ("*.json", "*.counters"):
            for path in (self.directory / WORKERS).glob(kind):
                path.unlink(missing_ok=True)
