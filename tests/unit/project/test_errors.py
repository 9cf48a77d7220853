"""Failures as they are told, and their exit codes."""

from __future__ import annotations

from urllib.error import URLError

import pytest

from project.errors import ConfigError, Exit, ProjectError, Refused, Unreachable, reason


@pytest.mark.parametrize(
    ("kind", "code"), [(ProjectError, 1), (ConfigError, 2), (Refused, 3), (Unreachable, 4)]
)  # fmt: skip
def test_exit_codes(kind: type[ProjectError], code: int) -> None:
    assert kind("cause", "next").exit_code == code


def test_the_other_exit_codes() -> None:
    assert (Exit.DONE, Exit.DIFFERENT, Exit.INTERRUPTED) == (0, 5, 130)


def test_a_failure_in_one_line() -> None:
    assert str(Refused("no rows", "python run.py data download")) == "no rows. Next: python run.py data download"
    assert str(ConfigError("no key")) == "no key. Next: correct it, then type the same command again"
    assert Refused("no rows", "look").args == ("no rows", "look")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("no route\nto the host"), "no route"),
        (TimeoutError(), "TimeoutError"),
        (ValueError("\n"), "ValueError"),
        (URLError(OSError("refused")), "refused"),
        (ValueError("x" * 300), "x" * 200),
    ],
    ids=["the first line", "no text", "an empty line", "its own reason", "too long"],
)
def test_what_an_error_of_a_library_says(error: Exception, said: str) -> None:
    assert reason(error) == said
