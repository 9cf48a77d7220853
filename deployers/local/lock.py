"""One change of an endpoint at a time, across processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployers.record import now
from project.errors import Refused


@contextmanager
def exclusive(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock file, or say who does; the kernel releases it when its holder dies.

    Raises:
        Refused: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise Refused(f"can not {doing}: {holder} is at it", "python run.py status, when that is done") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} ({doing}, since {now()})")
        file.flush()
        yield


@contextmanager
def waiting(path: Path) -> Iterator[None]:
    """Hold the lock file, however long another process has it; for steps that take no time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
