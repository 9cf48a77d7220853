"""The second process gives the same results and errors as the first, and never outlives it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from project import aside
from project.errors import Refused
from project.paths import ROOT

OTHER = "import os, sys, time; from project import aside; aside.start(['json']);"


@pytest.fixture
def second_process() -> Iterator[None]:
    aside.start(["json"])
    yield
    aside._stop()


def test_without_a_second_process_it_runs_here() -> None:
    assert aside.run(os.getpid) == os.getpid()


@pytest.mark.usefixtures("second_process")
def test_it_runs_in_another_process_until_that_one_dies_and_then_here() -> None:
    other = aside.run(os.getpid)
    assert other != os.getpid()
    assert aside.run(os.getpid) == other
    os.kill(other, signal.SIGKILL)
    assert aside.run(os.getpid) == os.getpid()
    assert aside.run(os.getpid) == os.getpid()


def refuse(cause: str) -> None:
    print("a library prints")
    raise Refused(cause, "try again")


@pytest.mark.usefixtures("second_process")
def test_an_error_comes_back_as_it_was_and_says_where_it_rose() -> None:
    with pytest.raises(Refused) as caught:
        aside.run(refuse, "no")
    assert (caught.value.cause, caught.value.next_step) == ("no", "try again")
    assert "in refuse" in caught.value.__notes__[0]


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "sys.exit(0)"])
def test_it_ends_with_the_first_process(end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"{OTHER} print(aside.run(os.getpid), flush=True); {end}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    other = int(done.stdout)
    if psutil.pid_exists(other):
        psutil.Process(other).wait(10)
    assert not psutil.pid_exists(other)
