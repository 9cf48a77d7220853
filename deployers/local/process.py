"""The server process of an endpoint: start it detached, recognise it later, wait for its workers, stop it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from project.errors import Refused, Unreachable
from project.paths import ROOT

SERVER, WORKERS, LOG = "server.json", "workers", "server.log"
POLL = 0.005
STARTING = 30.0
STOPPING = 20.0
LOG_LIMIT = 5 * 1024 * 1024
KEPT_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
"""Of our environment the server gets these alone: credentials of trackers and stores are not its business."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running supervisor."""

    pid: int
    started: float
    port: int
    workers: int


def running(folder: Path) -> Server | None:
    """The supervisor of an endpoint's folder if it lives.

    A pid alone proves nothing, the kernel gives it to another process one day: its command line must be that of
    this folder's server.
    """
    try:
        stated = json.loads((folder / SERVER).read_bytes())
        process = psutil.Process(int(stated["pid"]))
        if not _serves(process, "serving", folder):
            return None
        return Server(process.pid, process.create_time(), int(stated["port"]), int(stated["workers"]))
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def start(folder: Path, host: str, port: int, workers: int = 1) -> Server:
    """Start the supervisor in a session of its own, so that it outlives us and our terminal.

    Raises:
        Unreachable: It ended at once or did not listen in time; its log says why.
    """
    log = folder / LOG
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    command = [sys.executable, "-m", "serving", "--directory", str(folder), "--host", host, "--port", str(port)]
    command += ["--workers", str(workers), "--open"]  # `host` is an address of this machine alone
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    pid = os.posix_spawn(
        sys.executable,
        command,
        {**environment, "PYTHONPATH": str(ROOT)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    try:
        until = time.monotonic() + STARTING
        while time.monotonic() < until and _alive(pid):
            server = running(folder)
            if server is not None and server.pid == pid:
                return server
            time.sleep(POLL)
    except BaseException:  # Ctrl-C between start and record must not leave a server nobody knows
        _end_group(pid)
        raise
    _end_group(pid)
    raise Unreachable(f"the server did not start: {last_line(folder)}", f"tail {log}")


def reload(server: Server) -> None:
    """Tell the workers that the traffic file changed."""
    with suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGHUP)


def wait_for(folder: Path, server: Server, generation: int, seconds: float = STARTING) -> None:
    """Return once every worker serves this generation of the traffic file.

    Raises:
        Refused: A worker refused the bundle; the message is the worker's.
        Unreachable: The server ended, or its workers did not answer in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answers = [answer for answer in acknowledgements(folder) if answer["generation"] == generation]
        for answer in answers:
            if answer["error"]:
                raise Refused(answer["error"], f"python run.py status --dataset {folder.name}")
        if len(answers) >= server.workers:
            return
        if not _alive(server.pid):
            raise Unreachable(f"the server ended: {last_line(folder)}", f"tail {folder / LOG}")
        time.sleep(POLL)
    raise Unreachable(f"no worker confirmed the change in {seconds:g} s: {last_line(folder)}", f"tail {folder / LOG}")


def acknowledgements(folder: Path) -> list[dict[str, Any]]:
    """What each living worker serves."""
    found = []
    for path in (folder / WORKERS).glob("[0-9]*.json"):
        with suppress(OSError, ValueError):
            answer = json.loads(path.read_bytes())
            if path.stem.isdigit() and _alive(int(answer["pid"])):
                found.append(answer)
    return found


def stop(folder: Path) -> bool:
    """End the supervisor and its workers: gracefully, then by force; workers a killed supervisor left too.

    Returns:
        Whether anything was running.
    """
    server = running(folder)
    if server is not None:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGTERM)
        if not _gone(server.pid, STOPPING):
            _end_group(server.pid)
    return end_orphans(folder) or server is not None


def end_orphans(folder: Path) -> bool:
    """End what serves this folder without being its known server.

    That is workers of a killed supervisor, which are about to stop by themselves, or a supervisor whose files were
    deleted.

    Returns:
        Whether there was any.
    """
    found = [p for p in psutil.process_iter() if _serves(p, "serving", folder) or _serves(p, "serving.worker", folder)]
    for orphan in found:
        with suppress(psutil.NoSuchProcess):
            orphan.terminate()
    until = time.monotonic() + STOPPING
    for orphan in found:
        if not _gone(orphan.pid, until - time.monotonic()):
            with suppress(psutil.NoSuchProcess):
                orphan.kill()
            _gone(orphan.pid, STOPPING)
    return bool(found)


def last_line(folder: Path) -> str:
    """The last thing the server said."""
    try:
        line = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it said nothing"
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return line


def _serves(process: psutil.Process, module: str, folder: Path) -> bool:
    with suppress(psutil.Error):
        return bool(process.cmdline()[1:5] == ["-m", module, "--directory", str(folder)])
    return False


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended counts as gone even where nobody has reaped it (a container)."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _gone(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while _alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(POLL)
    return True


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _gone(pid, STOPPING)
