"""Options that every pipeline command takes, also when they stand before the command's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.output import json_option

Command = TypeVar("Command", bound=Callable[..., Any])


def pipeline_options(command: Command) -> Command:
    """Add `--stack`, `--dataset`, `--no-cache`, `--debug` and `--json`."""
    return stack_options(click.option("--no-cache", is_flag=True, help="Run every step.")(command))


def stack_options(command: Command) -> Command:
    """Add `--stack`, `--dataset`, `--debug` and `--json`."""
    command = click.option(
        "--debug", is_flag=True, default=_inherited("debug"), help="Show tracebacks and library logs."
    )(data_options(command))
    return stack_option("Where to run; without it the active ZenML stack.")(command)


def stack_option(meaning: str) -> Callable[[Command], Command]:
    """Add `--stack` with this help."""
    return click.option("--stack", default=_inherited("stack"), help=meaning)


def data_options(command: Command) -> Command:
    """Add `--dataset` and `--json`."""
    return click.option(
        "--dataset", default=_inherited("dataset"), help="A contract in configs/datasets.  [default: heart_disease]"
    )(json_option(command))


def _inherited(name: str) -> Callable[[], Any]:
    """The value given before the command's name: `run.py --stack minikube train`."""

    def value() -> Any:
        context = click.get_current_context(silent=True)
        return context.parent.obj[name] if context and context.parent and context.parent.obj else None

    return value
