"""The command tree, and how every failure leaves it: one line, the next step, an exit code."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import click

from cli.options import DATASET, hand_down
from project.errors import Exit, Interrupted
from project.interpreter import typed

COMMANDS = {
    "train": "cli.train:train",
    "deploy": "cli.deploy:deploy",
    "predict": "cli.predict:predict",
    "monitor": "cli.monitor:monitor",
    "rollback": "cli.endpoint:rollback",
    "endpoint": "cli.endpoint:endpoint",
    "status": "cli.endpoint:status",
    "down": "cli.endpoint:down",
    "stack": "cli.stack:stack",
    "data": "cli.data:data",
}
SUMMARIES = {
    "train": "Train, judge and promote; deploy nothing.",
    "deploy": "Put the champion behind its endpoint.",
    "predict": "Predict a file, or one row at the endpoint.",
    "monitor": "Compare rows of a site with those the champion was trained on.",
    "rollback": "Serve the previous version again.",
    "endpoint": "Print the URL of an endpoint and a request to try.",
    "status": "Say what serves, and where a version comes from.",
    "down": "Stop an endpoint.",
    "stack": "List, apply, compare, examine and export stacks.",
    "data": "Download, validate, describe, compare and add data sets.",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called: `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is no such one; hand the options before it down to it."""
        if args[0] not in COMMANDS:
            from project.strict_yaml import did_you_mean

            ctx.fail(f"no command {args[0]!r}{did_you_mean(args[0], list(COMMANDS))}")
        hand_down(ctx, args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Commands with their summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--stack", help="Where to run: local, minikube, eks. Without it the active ZenML stack.")
@click.option("--dataset", default=DATASET, show_default=True, help="A contract in configs/datasets.")
@click.option("--quick/--full", default=True, help="Small or whole search.  [default: quick]")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Threads for the search.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of a local endpoint.")
@click.option("--no-cache", is_flag=True, help="Run every step, also those whose inputs did not change.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--debug", is_flag=True, help="Show tracebacks and the logs of the libraries.")
@click.pass_context
def cli(
    context: click.Context,
    stack: str | None,
    dataset: str,
    quick: bool,
    jobs: int,
    port: int | None,
    no_cache: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Train, judge, ship, watch and replace a tabular classifier on any stack.

    Without a command: train, gate, promote, deploy, predict, drift check, then what to type next.

    \b
    Examples:
      python run.py --stack local                    the whole journey on this machine
      python run.py --stack local --dataset penguins another table, no code
      python run.py data init FILE.csv --target COL  its contract, to begin with
      python run.py predict --input IN --output OUT  a file, with the version that serves
      python run.py status                           what serves
    """
    if context.invoked_subcommand is None:
        from cli.journey import journey

        journey(stack, dataset, "quick" if quick else "full", jobs, port, not no_cache, as_json, debug)


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns:
        The exit code, as `project.errors.Exit` lists them.
    """
    _reopen_streams()
    debug, as_json = "--debug" in arguments, "--json" in arguments
    try:
        result = cli.main(args=list(arguments), prog_name="run.py", standalone_mode=False)
        return int(result) if isinstance(result, int) else Exit.DONE
    except (KeyboardInterrupt, click.Abort):
        stopped = Interrupted()
        return _fail(stopped.cause, stopped.next_step, stopped.exit_code, as_json)
    except click.ClickException as error:
        where = getattr(error, "ctx", None)
        help_command = f"python {where.command_path} --help" if where else "python run.py --help"
        return _fail(error.format_message().rstrip("."), help_command, Exit.USAGE, as_json)
    except Exception as error:  # the one place where a failure becomes a line and an exit code
        if debug:
            raise
        from cli.failures import explained

        known = explained(error)
        return _fail(known.cause, known.next_step, known.exit_code, as_json)


def _reopen_streams() -> None:
    """Put nowhere in place of what the shell closed (`>&-`), before a store's file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  it stays


def _fail(cause: str, next_step: str, code: Exit, as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps({"error": cause, "next": next_step, "exit_code": int(code)}))
    click.echo(typed(f"error: {cause}\nnext:  {next_step}"), err=True)
    sys.stdout.flush()
    return int(code)
