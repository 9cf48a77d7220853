"""The counters of a server's workers: a file for each, so that whichever is asked can tell the whole.

What a worker has counted stays counted when it dies: the supervisor adds it to the file of those that ended. The lock
keeps a reader from finding it in both files, or in neither, so that no counter falls between two looks.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving.folder import write_json
from serving.metrics import merged

ENDED = "ended.counters"


def publish(folder: Path, snapshot: Mapping[str, Any]) -> None:
    """Write down what this process has counted.

    Raises:
        OSError: It can not be written.
    """
    write_json(folder / f"{os.getpid()}.counters", snapshot)


def others(folder: Path) -> list[Mapping[str, Any]]:
    """What the other workers have counted, those that ended included.

    Raises:
        OSError: A file can not be read.
    """
    with _locked(folder, fcntl.LOCK_SH):
        return [json.loads(path.read_bytes()) for path in folder.glob("*.counters") if path.stem != str(os.getpid())]


def retire(folder: Path, pid: int) -> None:
    """Add the counters of a worker that ended to those of the others that did.

    Raises:
        OSError: They can not be written; then they stay where they are, and count.
    """
    with _locked(folder, fcntl.LOCK_EX):
        last, ended = folder / f"{pid}.counters", folder / ENDED
        if last.exists():
            write_json(ended, merged(json.loads(path.read_bytes()) for path in (ended, last) if path.exists()))
            last.unlink()


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
