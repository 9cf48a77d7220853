"""What a slip of the hand on the command line does: one line, its exit code, and nothing else."""

from __future__ import annotations

import pytest

from cli.main import main
from project.errors import Exit


@pytest.mark.parametrize("command", ["down", "rollback", "endpoint", "status"])
def test_an_empty_name_is_not_the_worked_example(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--dataset", ""]) == Exit.USAGE
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err == "error: '' can not name an endpoint: small letters, digits and _\nnext:  python run.py status\n"
