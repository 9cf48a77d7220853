"""The endpoint's folder: what a deployer writes there, what the server answers, and how a file is replaced."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

TRAFFIC = "traffic.json"
"""Written by the deployer: generation, traffic plan, and where each version's bundle lies."""
ACCEPTED = "accepted.json"
"""Written by the workers: the traffic file followed last, for those that start while a later one is refused."""
TRIPPED = "tripped.json"
"""Written by a worker whose challenger broke its bounds, for the other workers: generation, version, reason."""
KNOWN_JWKS = "known-jwks.json"
"""Written by the workers: the set of public keys that was read last, for those that start while its source is away."""
SERVER = "server.json"
"""Written by the supervisor once it listens: pid, host, port, whether it speaks TLS, number of workers."""
WORKERS = "workers"
"""One PID.json per worker: the generation it follows, the version that answers, why it refused another."""
HELD = ".server.lock"
"""Locked by the supervisor while it lives."""


def hold(directory: Path) -> None:
    """Keep the folder for this process alone until it ends, however it ends: two servers would undo each other's files.

    Raises:
        OSError: Another process has it, or it takes no file.
    """
    lock = os.open(directory / HELD, os.O_RDWR | os.O_CREAT, 0o644)  # which the kernel closes, and no worker inherits
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        says = f"{directory} is another server's; stop that one, or give another --directory"
        raise BlockingIOError(says) from None


def write_json(path: Path, value: object) -> None:
    """Replace a small file as a whole, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def stamp(path: Path) -> tuple[int, int] | None:
    """Another one when a file was written or replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
