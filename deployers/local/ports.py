"""Which port an endpoint gets, and who has one that it can not get."""

from __future__ import annotations

import errno
import socket
from collections.abc import Collection
from contextlib import suppress

import psutil

from project.errors import Unreachable

HIGHEST = 65535


def choose(host: str, configured: int, kept: int | None, siblings: Collection[int], command: str) -> int:
    """The port of an endpoint that is about to start.

    Args:
        host: Address to listen on.
        configured: The port asked for.
        kept: The port the endpoint had before; its URL is a promise, so this one comes first.
        siblings: Ports of our other endpoints; they are stepped over.
        command: What deploys this endpoint where `--port N` follows.

    Raises:
        Unreachable: A program that is not ours has the port.
    """
    if kept is not None and (is_free(host, kept) or kept == configured):
        return _or_say_who(host, kept, command)
    port = configured
    if port not in siblings:
        return _or_say_who(host, port, command)
    while port in siblings or not is_free(host, port):
        port += 1
        if port > HIGHEST:
            raise Unreachable(f"no free port from {configured} on", f"{command} --port N")
    return port


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise Unreachable(
                f"can not listen on {host}:{port}: {error.strerror}", "give the stack's deployer another host"
            ) from None
    return True


def holder(port: int) -> str:
    """`process 123 (nginx: master)`, as far as the system tells us."""
    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                with suppress(psutil.Error):
                    return f"process {connection.pid} ({' '.join(psutil.Process(connection.pid).cmdline())[:80]})"
                return f"process {connection.pid}"
    return "another program, or the system"


def _or_say_who(host: str, port: int, command: str) -> int:
    if is_free(host, port):
        return port
    free = next((other for other in range(port + 1, min(port + 100, HIGHEST)) if is_free(host, other)), port + 1)
    raise Unreachable(f"port {port} is held by {holder(port)}", f"stop it, or {command} --port {free}")
