"""`run.py stack`: list, apply, compare, examine and export the stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.options import stack_option
from cli.output import emit, json_option
from project.errors import Exit
from stacks.files import names, read_resources, read_stack, server_of
from stacks.selection import ServerChoice

server_option = click.option(
    "--server",
    type=click.Choice(["declared", "current"]),
    default="declared",
    show_default=True,
    help="The ZenML server the stack's file names, or the one you are logged into (registering needs no cluster).",
)


@click.group(no_args_is_help=False)
def stack() -> None:
    """Where pipelines run and what they use: the files in stacks/ and what ZenML has of them.

    \b
    Examples:
      python run.py stack list
      python run.py stack apply minikube && python run.py --stack minikube
      python run.py stack doctor eks
    """


@stack.command("list")
@json_option
def list_stacks(as_json: bool) -> None:
    """Name the stacks and the ZenML server each lives in.

    \b
    Examples:
      python run.py stack list
      python run.py stack list --json
    """
    rows = [{"name": name, "server": server_of(name), "extends": read_resources(name).extends} for name in names()]
    width = max(len(str(row["name"])) for row in rows)
    emit({"stacks": rows}, "\n".join(f"{row['name']:<{width}}  {row['server']}" for row in rows), as_json)


@stack.command()
@click.argument("name")
@server_option
@json_option
def apply(name: str, server: ServerChoice, as_json: bool) -> None:
    """Register a stack or bring it in line with its files; asks nothing, changes nothing twice.

    Differences that could hurt other stacks or earlier runs are refused with exit code 3.

    \b
    Examples:
      python run.py stack apply local
      python run.py stack apply eks
      python run.py stack apply eks --server current      register in the store you are logged into
    """
    from stacks import registry
    from stacks.changes import diff_text
    from stacks.selection import connected

    declared = read_stack(name)
    with connected(declared, server) as client:
        changes, registered = registry.apply(declared, client)
    data = {"stack": name, "id": str(registered.id), "changes": [change.as_dict() for change in changes]}
    done = f"stack {name} is registered; python run.py --stack {name}, or: zenml stack set {name}"
    emit(data, f"{diff_text(changes)}\n{done}" if changes else f"nothing changed: {done}", as_json)


@stack.command()
@click.argument("name")
@server_option
@json_option
@click.pass_context
def diff(context: click.Context, name: str, server: ServerChoice, as_json: bool) -> None:
    """Show what apply would change: + create, ~ update in place, ! refused. Exit code 5 if anything.

    \b
    Examples:
      python run.py stack diff local
      python run.py stack diff eks --json
    """
    from stacks import registry
    from stacks.changes import diff_text
    from stacks.selection import connected

    declared = read_stack(name)
    with connected(declared, server) as client:
        changes = registry.compare(declared, client)
    data = {"stack": name, "changes": [change.as_dict() for change in changes]}
    emit(data, diff_text(changes) or f"stack {name} is as its files say", as_json)
    if changes:
        context.exit(Exit.DIFFERENT)


@stack.command()
@click.argument("name", required=False)
@stack_option("The same as NAME; without either the active ZenML stack.")
@json_option
@click.pass_context
def doctor(context: click.Context, name: str | None, stack: str | None, as_json: bool) -> None:
    """Try every part of a stack within five seconds and print the fix for each that fails (exit code 4).

    Server and credentials, artifact store (write, read, delete), tracker, image registry, Kubernetes API, deployer.

    \b
    Examples:
      python run.py stack doctor local
      python run.py stack doctor --stack eks --json
    """
    from stacks.doctor import examine
    from stacks.selection import use_stack

    if name and stack and name != stack:
        raise click.UsageError(f"NAME is {name!r} and --stack {stack!r}: give one")
    chosen = name or stack or use_stack(None)
    findings = examine(read_stack(chosen))
    failed = [finding.part for finding in findings if not finding.ok]
    data = {"stack": chosen, "ok": not failed, "parts": [finding.as_dict() for finding in findings]}
    emit(data, "\n".join(finding.line() for finding in findings), as_json)
    if failed:
        context.exit(Exit.UNREACHABLE)


@stack.command()
@click.argument("name")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a file instead of printing.")
@server_option
@json_option
def export(name: str, output: Path | None, server: ServerChoice, as_json: bool) -> None:
    """Print a registered stack in ZenML's own schema, every variable and inherited key filled in.

    \b
    Examples:
      python run.py stack export local
      python run.py stack export eks --output eks-export.yaml && zenml stack import -f eks-export.yaml other-name
    """
    import yaml

    from stacks.export import exported
    from stacks.selection import connected
    from tabular.files import replaced

    with connected(read_stack(name), server) as client:
        content: dict[str, Any] = exported(name, client)
    text = yaml.safe_dump(content, sort_keys=False)
    if output is not None:
        with replaced(str(output)) as file:
            file.write_text(text, encoding="utf-8")
        text = f"wrote {output}"
    emit(content, text.rstrip(), as_json)
