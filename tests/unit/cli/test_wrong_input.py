"""What a slip of the hand on the command line does: one line, its exit code, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

from cli.failures import explained
from cli.main import main
from project.errors import Exit
from project.paths import ROOT


@pytest.mark.parametrize("command", ["down", "rollback", "endpoint", "status"])
def test_an_empty_name_is_not_the_worked_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--dataset", ""]) == Exit.USAGE
    said = capfd.readouterr()
    assert said.out == ""
    assert (
        said.err
        == "error: '' can not name an endpoint: small letters, digits and _ between\nnext:  python run.py status\n"
    )


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        pytest.param(["data"], "Missing command", id="a group alone"),
        pytest.param(["stack"], "Missing command", id="the other"),
        pytest.param(["down", "--all", "--dataset", "penguins"], "give --dataset or --all, not both", id="one or all"),
        pytest.param(["monitor", "--site", "va", "--input", "va.csv"], "leave --site out", id="a file and a site"),
        pytest.param(["predict", "--bundle", "none"], "Directory 'none' does not exist", id="no bundle"),
        pytest.param(["deploy", "--share", "0"], "'--share': 0.0 is not in the range 0<x<100", id="no share"),
        pytest.param(["deploy", "--share", "nan"], "'--share': nan is no number to go by", id="share that is none"),
        pytest.param(["deploy", "--seconds", "inf"], "'--seconds': inf is no number to go by", id="for ever"),
        pytest.param(
            ["deploy", "--strategy", "shadow", "--share", "5"], "shadow takes no share; --strategy canary", id="shadow"
        ),
        pytest.param(
            ["deploy", "--strategy", "ab", "--share", "5", "--share", "9"],
            "ab takes 1 share; --strategy canary",
            id="A/B",
        ),
        pytest.param(["deploy", "--strategy", "replace", "--seconds", "5"], "replace is not watched", id="replace"),
    ],
)
def test_one_line_and_the_way_to_help(
    arguments: list[str], cause: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == Exit.USAGE
    first, following = capfd.readouterr().err.splitlines()
    assert cause in first
    assert following == f"next:  python run.py {arguments[0]} --help"


def test_where_a_bundle_goes_is_looked_at_before_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["train", "--dataset", "none", "--bundle", str(tmp_path / "mine")]) == Exit.REFUSED
    assert "mine exists and is not a bundle; nothing was written" in capfd.readouterr().err
    assert main(["train", "--dataset", "none", "--bundle", str(tmp_path / "mine" / "b")]) == Exit.FAULT
    assert "mine/b can not be written: " in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_closed_stdout() -> None:
    command = [sys.executable, "run.py", "data", "describe", "--dataset", "none", "--json"]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command],
        cwd=ROOT,
        env=os.environ,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("error: data set 'none' has no contract; ")


def test_a_run_that_was_told_to_end() -> None:
    from zenml.exceptions import RunInterruptedException

    known = explained(RunInterruptedException("The execution was interrupted."))
    assert (known.exit_code, known.cause) == (Exit.INTERRUPTED, "interrupted; what was serving keeps serving")


def test_a_store_of_artifacts_that_is_silent_is_named_by_its_address_alone() -> None:
    error = EndpointConnectionError(endpoint_url="http://s3.example:7070/bucket/key", error="refused")
    known = explained(error)
    assert (known.cause, known.exit_code) == (
        "the artifact store at http://s3.example:7070 does not answer",
        Exit.UNREACHABLE,
    )
    assert known.next_step == "python run.py stack doctor"


def test_a_store_that_ctrl_c_caught_in_a_transaction() -> None:
    locked = RuntimeError("(sqlite3.OperationalError) database is locked")
    locked.__context__ = KeyboardInterrupt()
    known = explained(locked)
    assert (known.exit_code, known.cause) == (Exit.INTERRUPTED, "interrupted; what was serving keeps serving")
