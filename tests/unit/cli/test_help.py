"""What every command offers: a summary, examples that are commands, and `--json`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest

from cli.main import COMMANDS, cli


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by what is typed after `run.py`, groups too."""
    yield "", cli
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())


def examples(command: click.Command) -> list[str]:
    """The command lines of its help."""
    _, _, text = (command.help or "").partition("Examples:")
    return [line.strip().partition("  ")[0] for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_help_has_examples_of_this_very_command(name: str, command: click.Command) -> None:
    words = [shlex.split(line) for line in examples(command)]
    assert len(words) >= 2
    assert all(line[: len(name.split()) + 2] == ["python", "run.py", *name.split()] for line in words)


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_answer_for_programs(name: str, command: click.Command) -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    assert ("--json" in options) == (not isinstance(command, click.Group) or command is cli)
