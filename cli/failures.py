"""What a failure from below means to the person who typed the command."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from project.errors import Interrupted, ProjectError, Unreachable
from project.interpreter import lacking
from project.paths import ROOT

DISK = {
    errno.ENOSPC: ("the disk is full", "free space, then type the same command again"),
    errno.EROFS: ("the disk is read-only", "work in a folder that can be written"),
    errno.EACCES: ("no permission to write", "check the owner of the project's folder and of ZenML's"),
}
STOPPED = "RunInterruptedException"
"""What ZenML makes of SIGTERM; by its name, because a failure before ZenML is imported does not import it."""


def explained(error: BaseException) -> ProjectError:
    """The failure itself if it is one of ours, else the nearest plain words for it.

    Args:
        error: Anything that a library raised; causes are searched too.
    """
    chain = _chain(error)
    if any(isinstance(cause, KeyboardInterrupt) or type(cause).__name__ == STOPPED for cause in chain):
        # A store that Ctrl-C caught in a transaction refuses what ZenML then writes about the run.
        return Interrupted()
    for cause in chain:
        if isinstance(cause, ProjectError):
            return cause
        if isinstance(cause, ModuleNotFoundError) and not Path(ROOT, str(cause.name).partition(".")[0]).exists():
            return lacking(cause)
        if isinstance(cause, OSError) and cause.errno in DISK:
            what, then = DISK[cause.errno]
            return ProjectError(f"{what}: {cause.filename2 or cause.filename or cause}", then)
        if isinstance(cause, FileNotFoundError):
            gone = f"a file of an earlier run is gone: {cause.filename or _line(str(cause))}"
            return ProjectError(gone, "restore it, or python run.py --no-cache")
        known = of_a_store(str(cause))
        if known:
            return known
    return ProjectError(
        f"{type(error).__name__}: {_line(str(error))}", "the same command with --debug shows the traceback"
    )


def of_a_store(text: str) -> ProjectError | None:
    """What SQLite, MLflow's server and S3's client say, in plain words."""
    if "You are not authenticated" in text:
        return Unreachable("MLflow refuses the user or password of the stack", "python run.py stack doctor")
    if silent := re.search(r'endpoint URL: "?(\w+://[^/"]+)', text):
        return Unreachable(f"the artifact store at {silent[1]} does not answer", "python run.py stack doctor")
    if "database is locked" in text:
        return Unreachable(
            "a store is locked by another process",
            "wait for it to end (python run.py status), then type the same command again",
        )
    if "readonly database" in text or "unable to open database file" in text:
        return ProjectError("a store can not be written", "check the owner of the project's folder and of ZenML's")
    if "database or disk is full" in text:
        return ProjectError(*DISK[errno.ENOSPC])
    if re.search(r"malformed|file is not a database", text):
        return ProjectError(f"a store is damaged: {_line(text)}", "move mlflow.db away, then python run.py --no-cache")
    return None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in found:
        found.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return found


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
