"""Run `run.py` in processes forked from one that has imported its libraries: importing is most of what a run takes.

`python -m tests.integration.forked SOCKET` serves the commands of any project tree; `Forks` starts it and asks it. Only
libraries are imported ahead: a command imports the modules of its own tree, as they are at that moment.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
WANTED = (
    "great_expectations",  # first: it talks on standard output where ZenML has set up logging
    *(
        "pipelines.training",
        "pipelines.deployment",
        "pipelines.monitoring",
        "pipelines.adaptation",
        "pipelines.batch_inference",
    ),
    *("tabular.check_summary", "tabular.drift", "tracking.mlflow_log", "cli.main", "cli.journey", "cli.runs"),
    *("mlflow.sklearn", "skops.io", "matplotlib.figure", "sklearn.ensemble", "sklearn.calibration", "s3fs"),
    *("zenml.zen_stores.sql_zen_store", "zenml.integrations.mlflow.experiment_trackers"),
    *("zenml.integrations.pandas.materializers", "evidently"),
)
"""What commands import; of these the libraries stay, and ours are forgotten."""
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
    """The process that has imported the libraries, and the commands forked from it.

    Args:
        folder: For its socket and whatever a library writes when it is imported.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "forks"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forked", str(self._path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ZENML_CONFIG_PATH": str(folder / "zenml")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def start(
        self, root: Path, environment: Mapping[str, str], arguments: Sequence[str],
        stdout: int, stderr: int, mounts: Mounts = (),
    ) -> Forked:  # fmt: skip
        """Start a `run.py` with these arguments; the file descriptors are copied.

        Args:
            root: The project tree whose `run.py` it is.
            environment: Of the command, whole.
            arguments: After `run.py`.
            stdout: File descriptor.
            stderr: File descriptor.
            mounts: Commands that prepare its disks, `mount` foremost; no other process sees what they mount.
        """
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._path))
        order = {"root": str(root), "environment": dict(environment), "arguments": arguments, "mounts": mounts}
        socket.send_fds(connection, [json.dumps(order).encode()], [stdout, stderr])
        with connection:
            return Forked(connection)

    def close(self) -> None:
        """End it; commands under way go on."""
        self._process.communicate()  # it ends when nobody holds its standard input, also when these tests are killed


def _serve(path: str) -> None:
    from cli.progress import quieten
    from project.determinism import PINNED
    from project.telemetry import opt_out

    said = os.dup(1)  # by us alone: matplotlib, say, tells ZenML's console of the fonts it finds the first time
    os.dup2(2, 1)
    os.environ.update(PINNED)
    opt_out()
    quieten()
    for module in WANTED:
        importlib.import_module(module)
    _forget_ours()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        os.write(said, b"ready\n")
        os.close(said)
        while sys.stdin not in select.select([sys.stdin, server], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                _attend(connection)
            connection.close()


def _forget_ours() -> None:
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()}
    for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
        del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(ROOT))]


def _mount(mounts: Mounts) -> None:
    """Enter a user and a mount namespace of our own, as `unshare --map-root-user --mount` does, and mount there."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path("/proc/self", file).write_text(text)
    for command in mounts:
        subprocess.run(command, check=True)


def _import_nothing(*_: object, **__: object) -> None:
    """In place of the second process: what that would import is here."""


def _attend(connection: socket.socket) -> None:
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
        _run(**json.loads(message))
    connection.sendall(f"{pid}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.sendall(f"{code}\n".encode())
    os._exit(0)


def _run(root: str, environment: dict[str, str], arguments: list[str], mounts: Mounts) -> None:
    if mounts:
        _mount(mounts)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background of a shell has ignored
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # found anew, in this environment
    logging.getLogger().handlers.clear()  # ZenML's console: not every command imports ZenML
    os.chdir(root)
    sys.path.insert(0, root)
    sys.argv = ["run.py", *arguments]
    from project import aside

    aside.start = _import_nothing
    runpy.run_path("run.py", run_name="__main__")
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
