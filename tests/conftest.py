"""For every test: pins and opt-outs before a library is imported, a ZenML of its own, and the needs of marked tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from project.determinism import PINNED
from project.telemetry import opt_out

CONFIGURATION = "ZENML_CONFIG_PATH"
SECONDS = 5
JOURNEY = "tests/integration/journey/"
"""Its files share a session fixture that takes as long as all their tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """What takes long runs when it is asked for."""
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the process: no test may reach the user's own ZenML store, train on other BLAS kernels, or phone home."""
    os.environ.update(PINNED)
    opt_out()
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # as in an activated venv
    os.environ[CONFIGURATION] = folder = tempfile.mkdtemp(prefix="zenml-")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """Give a process the tests of whole files, and to one process all that look at the one journey."""
    return _Scheduler(config, log)


class _Scheduler(LoadFileScheduling):  # type: ignore[misc]  # untyped, as all of xdist
    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return JOURNEY if file.startswith(JOURNEY) else file


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose need is not met on this machine, and say which."""
    if item.get_closest_marker("slow") and not item.config.getoption("slow"):
        pytest.skip("takes long; --slow runs it")
    for need in sorted(NEEDS.keys() & {mark.name for mark in item.iter_markers()}):
        if lacking := _lacking(need):
            pytest.skip(f"needs a {need}: {lacking}")


@cache
def _lacking(need: str) -> str:
    return NEEDS[need]()


def _browser() -> str:
    found = any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return "" if found else "no chromium on the path"


def _docker() -> str:
    return _refusal("docker", "info")


def _cluster() -> str:
    return _refusal("kubectl", "get", "--raw", "/readyz", f"--request-timeout={SECONDS}s")


def _network() -> str:
    try:
        socket.create_connection(("archive.ics.uci.edu", 443), timeout=SECONDS).close()
    except OSError as error:
        return f"archive.ics.uci.edu: {error}"
    return ""


def _refusal(*command: str) -> str:
    """Why a command does not work here; nothing if it does."""
    if shutil.which(command[0]) is None:
        return f"no {command[0]} on the path"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]} does not answer"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]


NEEDS: Mapping[str, Callable[[], str]] = {
    "browser": _browser,
    "docker": _docker,
    "cluster": _cluster,
    "network": _network,
}
