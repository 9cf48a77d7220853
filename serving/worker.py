"""One worker process: serves on a socket it was given, and follows `traffic.json` when it gets SIGHUP."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from serving import counters
from serving.access_options import access_of, add_access_options
from serving.app import App
from serving.connection import KEEP_ALIVE, watch
from serving.folder import WORKERS, write_json
from serving.keys import KeyFileError
from serving.log import LOGGER
from serving.log import start as start_logging
from serving.log_options import add_log_options, log_of
from serving.metrics import Metrics
from serving.tls import add_tls_options, follow, tls_of
from serving.traffic import TrafficTable
from serving.wire import Protocol

DRAIN, GRPC_DRAIN = 10, 3
"""Seconds for what is under way when the server stops, one after the other; the supervisor waits longer."""


def main() -> int:
    """Run one worker until SIGTERM, or until the supervisor is gone; 2 if its options can not be followed now."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--alive-fd", type=int, required=True, help="read end of a pipe the supervisor holds open")
    parser.add_argument("--grpc-fd", type=int)
    parser.add_argument("--limits-fd", type=int, required=True, help="memory that the workers' rate limits share")
    add_log_options(parser)
    add_access_options(parser)
    add_tls_options(parser)
    options = parser.parse_args()
    start_logging()
    try:
        worker = Worker(options)
    except (KeyFileError, ValueError) as error:  # the supervisor took them, but a file may have gone since
        LOGGER.error("the worker can not start: %s", error)
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(worker.serve(socket.socket(fileno=options.listen_fd)))
    return 0


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: those end the process before gRPC's calls and the log are done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to the worker."""
        yield


class Worker:
    """Ties the application, its traffic table and its signals together.

    Args:
        options: The command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = options.directory / WORKERS
        self.table, self.metrics = TrafficTable(options.directory, self._tell), Metrics()
        self.supervisor = os.getppid()
        # A thread of its own: the others may all be busy with requests when a version must be withdrawn.
        self.refreshing = ThreadPoolExecutor(1, "refresh")
        self.log = log_of(options)
        self.tls, self.grpc_tls = tls_of(options), tls_of(options)
        self.app = App(
            self.table,
            self.metrics,
            self._siblings,
            self.log,
            access=access_of(options, options.limits_fd),
            origins=options.cors_origins,
            tls=self.tls is not None,
        )
        config = uvicorn.Config(
            self.app,
            http=Protocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(KEEP_ALIVE),
            timeout_graceful_shutdown=DRAIN,
        )
        config.load()
        config.ssl = self.tls
        self.server = Server(config)

    async def serve(self, listener: socket.socket) -> None:
        """Load what `traffic.json` names, then answer until told to stop."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, changed.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_reader(self.options.alive_fd, self._orphaned)
        # The supervisor starts us with SIGHUP blocked: one that came before this line is waiting, not lost.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        await self._refresh()
        while self.table.routing is None and self._others_serve() and not self.server.should_exit:
            # They answer what comes; we could only refuse it. The last one answers, so that clients hear why.
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), 1)
                changed.clear()
                await self._refresh()
        tasks = [asyncio.create_task(self._follow(changed))]
        tasks.append(asyncio.create_task(watch(self.server.server_state.connections)))
        tasks.append(asyncio.create_task(self._publish()))
        if self.tls is not None and self.grpc_tls is not None:
            contexts = (self.tls, self.grpc_tls)
            tasks.append(asyncio.create_task(follow(contexts, self.options.tls_certificate, self.options.tls_key)))
        grpc = await self._serve_grpc() if self.options.grpc_fd is not None else None
        await self.server.serve(sockets=[listener])
        if grpc is not None:
            await grpc.drain(GRPC_DRAIN)
            grpc.close()
            await grpc.wait_closed()
        for task in tasks:
            task.cancel()
        self.log.close()

    async def _serve_grpc(self) -> Any:
        from serving.grpc_server import grpc_server  # with the libraries that only gRPC needs

        if self.grpc_tls is not None:
            self.grpc_tls.set_alpn_protocols(["h2"])
        server = grpc_server(self.app)
        await server.start(sock=socket.socket(fileno=self.options.grpc_fd), ssl=self.grpc_tls)
        return server

    async def _follow(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            await self._refresh()

    async def _refresh(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self.refreshing, self.table.refresh)
        answer = self.table.acknowledgement()
        if self.table.error:
            LOGGER.error("refused generation %(generation)s: %(error)s", answer)
        else:
            LOGGER.info("serving version %(version)s, digest %(digest)s, generation %(generation)s", answer)
        try:
            write_json(self.folder / f"{os.getpid()}.json", answer)
        except OSError as error:  # a full disk must not stop a worker that serves well
            LOGGER.error("the acknowledgement can not be written: %s", error)

    def _others_serve(self) -> bool:
        mine = f"{os.getpid()}.json"
        with suppress(OSError, ValueError):  # one may end just now
            return any(json.loads(p.read_bytes())["version"] for p in self.folder.glob("*.json") if p.name != mine)
        return False

    async def _publish(self) -> None:
        while True:
            with suppress(OSError):
                self._count()
            await asyncio.sleep(1)

    def _count(self) -> None:
        self.metrics.lost = self.log.lost
        counters.publish(self.folder, self.metrics.snapshot())

    def _siblings(self) -> list[Mapping[str, Any]]:
        """What the other workers counted; ours is written first, so that none of them tells less after us."""
        try:
            self._count()
            return counters.others(self.folder)
        except OSError as error:
            LOGGER.error("the counters of other workers can not be read: %s", error)
            return []

    def _tell(self) -> None:
        """A challenger was withdrawn: let the supervisor have every worker read that."""
        if os.getppid() == self.supervisor:
            os.kill(self.supervisor, signal.SIGHUP)

    def _stop(self) -> None:
        self.server.should_exit = True

    def _orphaned(self) -> None:
        asyncio.get_running_loop().remove_reader(self.options.alive_fd)
        LOGGER.error("the supervisor is gone; stopping")
        self.server.should_exit = True


if __name__ == "__main__":
    sys.exit(main())
