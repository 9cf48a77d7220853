"""A second process for heavy work: on two cores, libraries are imported there while the first process gets going.

Importing takes half of a run's time, and one Python process imports on one core. A step hands over a pure function and
its arguments, and takes back the result; where no second process runs, the function runs here, with the same result.
The second process answers between two imports, and while the first waits for an answer, it imports what it needs next.
"""

from __future__ import annotations

import atexit
import importlib
import os
import pickle
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

from project.paths import ROOT

P = ParamSpec("P")
R = TypeVar("R")

_process: subprocess.Popen[bytes] | None = None
_meanwhile: list[str] = []


def start(modules: Sequence[str], meanwhile: Sequence[str] = (), quiet: bool = True) -> None:
    """Start the second process and let it import `modules`; it ends with this one, also when this one is killed.

    Args:
        modules: In the order in which they will be needed.
        meanwhile: What this process imports as soon as it has to wait for the second one.
        quiet: Whether what its libraries print is dropped; results and errors come back in any case.
    """
    global _process  # noqa: PLW0603  one per process
    if _process is not None:
        return
    _process = subprocess.Popen(
        [sys.executable, "-m", "project.aside", *modules],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
    )
    _meanwhile[:] = meanwhile
    atexit.register(_stop)


def run(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function of a module in the second process, or here if there is none (any more).

    Raises:
        Exception: Whatever the function raised.
    """
    if _process is None or _process.stdin is None or _process.stdout is None:
        return function(*args, **kwargs)
    try:
        pickle.dump((function, args, kwargs), _process.stdin)
        _process.stdin.flush()
        while _meanwhile and not select.select([_process.stdout], [], [], 0)[0]:
            importlib.import_module(_meanwhile.pop(0))
        done, value = pickle.load(_process.stdout)  # noqa: S301 - written by our own child through its own pipe
    except (OSError, EOFError, pickle.UnpicklingError):
        _stop()
        return function(*args, **kwargs)
    if not done:
        raise value
    return value  # type: ignore[no-any-return]


def _stop() -> None:
    global _process
    process, _process = _process, None
    if process is not None:
        with suppress(BrokenPipeError), process:
            process.kill()


def _serve(modules: Sequence[str]) -> None:
    """Answer calls until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the first process's to handle
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not get between the answers
    waiting = list(modules)
    while True:
        while waiting and not select.select([requests], [], [], 0)[0]:
            importlib.import_module(waiting.pop(0))
        try:
            function, args, kwargs = pickle.load(requests)  # noqa: S301 - as above
        except EOFError:
            os._exit(0)  # the first process was killed: what it left open is not ours to finish
        try:
            answer: tuple[bool, Any] = (True, function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to the caller
            error.add_note(traceback.format_exc())
            answer = (False, error)
        with suppress(BrokenPipeError):
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    _serve(sys.argv[1:])
