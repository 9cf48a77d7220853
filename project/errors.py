"""Failures a user can act on, each with its exit code and the next command to type."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `run.py`, the same on every command and stack."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    DIFFERENT = 5
    INTERRUPTED = 130


class ProjectError(Exception):
    """A failure with a cause in one line and a next step.

    Args:
        cause: What is wrong, where, and what is allowed.
        next_step: The command or edit that helps, without a leading verb phrase such as "please".
    """

    exit_code = Exit.FAULT

    def __init__(self, cause: str, next_step: str) -> None:
        super().__init__(cause, next_step)
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.cause}. Next: {self.next_step}"


class ConfigError(ProjectError):
    """A contract, config, stack file or argument that can not be used as written."""

    exit_code = Exit.USAGE

    def __init__(self, cause: str, next_step: str = "correct it, then type the same command again") -> None:
        super().__init__(cause, next_step)


class Refused(ProjectError):
    """A gate, a check of the data or a limit said no; nothing was changed."""

    exit_code = Exit.REFUSED


class Unreachable(ProjectError):
    """A server, store, port or endpoint that does not answer or belongs to another."""

    exit_code = Exit.UNREACHABLE


class Interrupted(ProjectError):
    """Ctrl-C."""

    exit_code = Exit.INTERRUPTED

    def __init__(self) -> None:
        super().__init__("interrupted; what was serving keeps serving", "type the same command again")


def reason(error: BaseException) -> str:
    """What an error of a library says, in one line: its own reason, or its first line, or at least its kind."""
    said = str(getattr(error, "reason", None) or error).strip() or type(error).__name__
    return said.splitlines()[0][:200]
