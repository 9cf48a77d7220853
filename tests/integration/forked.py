"""Run `run.py` in processes forked from one that has imported its libraries: importing is most of what a run takes.

`python -m tests.integration.forked SOCKET ROOT` serves the commands of one project tree; `Forks` starts it and asks it.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

IMPORTED = (
    *("great_expectations", "evidently", "mlflow.sklearn", "skops.io", "skl2onnx", "matplotlib.figure"),
    *("zenml.client", "zenml.zen_stores.sql_zen_store", "sklearn.ensemble", "sklearn.calibration"),
    *("zenml.integrations.mlflow.experiment_trackers", "zenml.integrations.pandas.materializers"),
    *("pipelines.training", "pipelines.deployment", "pipelines.monitoring"),
    *("tabular.check_summary", "tabular.drift", "tracking.mlflow_log", "cli.main", "cli.journey", "cli.runs"),
)
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
Mounts = Sequence[Sequence[str]]


class Forked:
    """A command under way."""

    def __init__(self, connection: socket.socket) -> None:
        self._answers = connection.makefile("r", encoding="utf-8")
        self.pid = int(self._answers.readline())
        """Leads a session and a process group of its own, as a shell's job does."""

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = int(self._answers.readline())
        self._answers.close()
        return code


class Forks:
    """The process that has imported everything, and the commands forked from it.

    Args:
        root: The project tree whose `run.py` it runs.
        environment: Of every command.
        folder: For its socket; not below the tree, whose processes the tests count.
    """

    def __init__(self, root: Path, environment: Mapping[str, str], folder: Path) -> None:
        self._path = folder / "forks"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forked", str(self._path)],
            cwd=folder,
            env={**environment, "PYTHONPATH": os.pathsep.join((str(root), str(Path(__file__).parents[2])))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def start(self, arguments: Sequence[str], stdout: int, stderr: int, mounts: Mounts = ()) -> Forked:
        """Start `run.py` with these arguments; the file descriptors are copied.

        Args:
            arguments: After `run.py`.
            stdout: File descriptor.
            stderr: File descriptor.
            mounts: Arguments of `mount`, one call each; no other process sees what is mounted.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._path))
        socket.send_fds(connection, [json.dumps([arguments, mounts]).encode()], [stdout, stderr])
        with connection:
            return Forked(connection)

    def close(self) -> None:
        """End it; commands under way go on."""
        self._process.communicate()  # it ends when nobody holds its standard input, also when these tests are killed


def _serve(path: str) -> None:
    from cli.progress import quieten
    from project import aside, paths
    from project.determinism import PINNED
    from project.telemetry import opt_out

    os.environ.update(PINNED)
    opt_out()
    quieten()
    for module in IMPORTED:
        importlib.import_module(module)
    aside.start = _import_nothing
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.write(1, b"ready\n")
        while sys.stdin not in select.select([sys.stdin, server], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                _attend(connection, paths.ROOT)
            connection.close()


def _mount(mounts: Mounts) -> None:
    """Enter a user and a mount namespace of our own, as `unshare --map-root-user --mount` does, and mount."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", file).write_text(text)
    for arguments in mounts:
        subprocess.run(["mount", *arguments], check=True)


def _import_nothing(*_: object, **__: object) -> None:
    """In place of the second process: what that would import is here."""


def _attend(connection: socket.socket, root: Path) -> None:
    """Fork the command, say its process id, wait for its end, say its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, descriptors, *_ = socket.recv_fds(connection, 65536, 2)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), *zip((1, 2), descriptors, strict=True)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        connection.close()
        arguments, mounts = json.loads(message)
        if mounts:
            _mount(mounts)
        os.chdir(root)
        sys.argv = ["run.py", *arguments]
        runpy.run_path("run.py", run_name="__main__")
        os._exit(0)
    connection.sendall(f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(f"{code}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
