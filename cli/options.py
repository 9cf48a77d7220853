"""Options that many commands take, also when they stand before the command's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from cli.output import json_option

DATASET = "heart_disease"
"""The worked example, which commands mean where none is said."""
Command = TypeVar("Command", bound=Callable[..., Any])


def pipeline_options(command: Command) -> Command:
    """Add `--stack`, `--dataset`, `--no-cache`, `--debug` and `--json`."""
    return stack_options(click.option("--no-cache", is_flag=True, help="Run every step.")(command))


def stack_options(command: Command) -> Command:
    """Add `--stack`, `--dataset`, `--debug` and `--json`."""
    command = click.option("--debug", is_flag=True, help="Show tracebacks and library logs.")(data_options(command))
    return stack_option("Where to run; without it the active ZenML stack.")(command)


def stack_option(meaning: str) -> Callable[[Command], Command]:
    """Add `--stack` with this help."""
    return click.option("--stack", help=meaning)


def data_options(command: Command) -> Command:
    """Add `--dataset` and `--json`."""
    return click.option("--dataset", default=DATASET, show_default=True, help="A contract in configs/datasets.")(
        json_option(command)
    )


def hand_down(context: click.Context, words: Sequence[str]) -> None:
    """Make what stands before a command's name the default of its own options: `run.py --stack minikube train`.

    Args:
        context: Of the group that took the options.
        words: What follows them: the command's name, in a group of commands another, its arguments.

    Raises:
        UsageError: The command has no such option.
    """
    called = context
    for word in words:
        command = called.command.get_command(called, word) if isinstance(called.command, click.Group) else None
        if command is None:
            break
        called = click.Context(command, called, word)
    if isinstance(called.command, click.Group):
        return  # what follows is its help, or a refusal
    own = {parameter.name for parameter in called.command.params}
    defaults: dict[str, Any] = {}
    for option in context.command.params:
        if context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE:
            if option.name not in {*own, "debug"}:  # which `main` looks for itself, whatever the command
                called.fail(f"{called.command_path} has no {'/'.join([*option.opts, *option.secondary_opts])}")
            defaults[option.name] = context.params[option.name]
    while called.parent is not None:
        called, defaults = called.parent, {str(called.info_name): defaults}
    context.default_map = defaults
