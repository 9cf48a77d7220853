"""How commands answer: text for people, one JSON document with `--json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from project.interpreter import typed

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add `--json`, passed on as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def emit(data: object, text: str, as_json: bool) -> None:
    """Print `data` as JSON, or `text` with its commands as they are typed in this shell."""
    click.echo(json.dumps(data, indent=1, default=str) if as_json else typed(text))
