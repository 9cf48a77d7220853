"""Import the named modules and print what is then imported; run in a process of its own.

With `--watch` also what code of ours did meanwhile, which takes three times as long: writing, connecting, starting
processes or threads, reading the environment. What a library does on its own account is not ours: the nearest caller
outside the standard library counts.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = f"{Path(__file__).resolve().parents[3]}{os.sep}"
NOT_OURS = (f"{ROOT}.venv{os.sep}", sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
SKIPPED = ("<frozen", sysconfig.get_path("stdlib"), __file__)
EVENTS = {"os.mkdir", "socket.connect", "subprocess.Popen", "os.fork", "os.putenv", "_thread.start_new_thread"}


def watch(action: Callable[[], object]) -> list[str]:
    """What code of ours did while `action` ran, `file: what` each."""
    done: list[str] = []
    plain = os._Environ.__getitem__
    watching = True

    def note(what: str) -> None:
        file = _caller()
        if file.startswith(ROOT) and not file.startswith(NOT_OURS):
            done.append(f"{file.removeprefix(ROOT)}: {what}")

    def read(environ: os._Environ[str], key: str) -> str:
        note(f"reads ${key}")
        return plain(environ, key)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if not watching:
            return
        if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
            note(f"writes {arguments[0]}")
        elif event in EVENTS:
            note(event)

    sys.addaudithook(audit)
    os._Environ.__getitem__ = read  # type: ignore[assignment,method-assign]
    try:
        action()
    finally:
        os._Environ.__getitem__ = plain  # type: ignore[method-assign]
        watching = False  # a hook can not be taken away
    return done


def _caller() -> str:
    frame = sys._getframe(2)
    while frame.f_code.co_filename.startswith(SKIPPED) and "site-packages" not in frame.f_code.co_filename:
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    return frame.f_code.co_filename


if __name__ == "__main__":
    sys.path[0] = ROOT
    sys.modules["__main__"].__file__ = f"{ROOT}run.py"  # ZenML looks for the project beside the main module
    names = [name for name in sys.argv[1:] if name != "--watch"]
    done = watch(lambda: [importlib.import_module(name) for name in names]) if "--watch" in sys.argv else []
    for name in names:
        importlib.import_module(name)  # where nothing was watched; else they are all there
    print(json.dumps({"done": done, "modules": sorted(sys.modules), "threads": threading.active_count()}))
