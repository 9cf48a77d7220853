"""`endpoint`, `status`, `rollback`, `down`: what serves, where, and what to do about it.

They read the endpoint record and the endpoint itself, never ZenML, and answer within a second; `status` with
`--lineage` or `--card` does not.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import click

from cli.options import DATASET
from cli.output import emit, json_option
from cli.place import deployer, place_option
from deployers.interface import Endpoint, Status
from project.errors import ConfigError, Exit, Unreachable

PORT = 8000
"""That a way past the gateway is offered at."""


@click.command()
@click.option("--dataset", help=f"Name of the data set.  [default: {DATASET}]")
@place_option
@json_option
@click.option("--forward", type=click.IntRange(1, 65535), metavar="PORT", help="Open a way to it at this port.")
def endpoint(dataset: str | None, stack: str | None, as_json: bool, forward: int | None) -> None:
    """Print the URL of an endpoint and a request to try.

    Where this machine does not reach the gateway of a cluster, a way past it is opened until Ctrl-C: on a terminal by
    itself, in a script with --forward.

    \b
    Examples:
      python run.py endpoint
      python run.py endpoint --dataset penguins --json
      python run.py endpoint --stack minikube --forward 8000
    """
    asked, name = deployer(stack), _name(dataset)
    now = asked.status(name)
    found = now.endpoint
    if forward is None and now.pods and not now.ready and not as_json and sys.stdout.isatty():
        click.echo(f"no answer from {found.url}: {now.detail}; this goes past the gateway until Ctrl-C:", err=True)
        forward = _free_port()
    way = asked.forward_command(name, forward or PORT)
    if forward and way is None:
        raise ConfigError(f"{name} serves on this machine at {found.url}", "python run.py endpoint")
    url = f"http://127.0.0.1:{forward}" if forward else found.url
    key = asked.key_command()
    header = f' -H "X-API-Key: $({key})"' if key else ""
    row = shlex.quote(json.dumps(found.example))
    curl = f"curl -s {url}/predict{header} -H 'Content-Type: application/json' -d {row}"
    emit({**_endpoint(found), "url": url, "curl": curl}, f"{url}\n\n{curl}", as_json)
    if forward and way is not None:
        sys.stdout.flush()
        _open(way)
    elif way is not None and not now.ready:
        past = f"python run.py endpoint --forward {PORT} goes past the gateway"
        click.echo(f"\nno answer from there: {now.detail}\n{past}", err=True)


@click.command()
@click.option("--dataset", help="Name of the data set; without it every endpoint.")
@click.option("--lineage", "version", metavar="VERSION", help="Say instead where a version comes from.")
@click.option("--card", metavar="VERSION|FOLDER", help="Print instead a model's card, its figures measured now.")
@click.option("--section", metavar="NAME", help="Of the card this alone: figures, segments, missing …")
@place_option
@json_option
def status(
    dataset: str | None,
    version: str | None,
    card: str | None,
    section: str | None,
    stack: str | None,
    as_json: bool,
) -> None:
    """Say what serves at each endpoint and whether it answers, or where a version comes from, or how good it is.

    --card measures a model's figures anew, from its bundle and the rows; exit code 5 where one is another.

    \b
    Examples:
      python run.py status
      python run.py status --lineage v3 --dataset heart_disease
      python run.py status --card models/heart_disease --section segments
    """
    if card and version:
        raise click.UsageError("give --lineage or --card, not both")
    if section and not card:
        raise click.UsageError("--section is of a --card")
    if version is not None:
        from cli.lineage import show_lineage

        show_lineage(_name(dataset), version, stack, as_json)
        return
    if card is not None:
        from cli.card import show_card

        show_card(_name(dataset), card, section, stack, as_json)
        return
    asked = deployer(stack)
    names = asked.endpoints() if dataset is None else [dataset]
    if not names:
        emit(
            {"endpoints": []},
            "nothing is deployed here; python run.py --stack local, or status --stack NAME asks another",
            as_json,
        )
        return
    found = [asked.status(name) for name in names]
    emit({"endpoints": [_status(each) for each in found]}, "\n\n".join(map(_text, found)), as_json)
    if not all(each.ready for each in found):
        click.get_current_context().exit(Exit.UNREACHABLE)


@click.command()
@click.option("--dataset", help=f"Name of the data set.  [default: {DATASET}]")
@click.option("--to", help="The version to serve; without it the one before.")
@place_option
@json_option
def rollback(dataset: str | None, to: str | None, stack: str | None, as_json: bool) -> None:
    """Serve the previous version again, or another that is kept.

    \b
    Examples:
      python run.py rollback
      python run.py rollback --to v2 --dataset heart_disease
    """
    found = deployer(stack).rollback(_name(dataset), to)
    emit(_endpoint(found), f"{found.name} serves version {found.current.version} again at {found.url}", as_json)


@click.command()
@click.option("--dataset", help=f"Name of the data set.  [default: {DATASET}]")
@click.option("--all", "every", is_flag=True, help="Take every endpoint down.")
@place_option
@json_option
def down(dataset: str | None, every: bool, stack: str | None, as_json: bool) -> None:
    """Stop an endpoint and forget it.

    \b
    Examples:
      python run.py down
      python run.py down --all
    """
    if every and dataset is not None:
        raise click.UsageError("give --dataset or --all, not both")
    asked = deployer(stack)
    stopped = [name for name in (asked.endpoints() if every else [_name(dataset)]) if asked.down(name)]
    if not stopped and not every:
        _refuse_unknown(_name(dataset), asked.endpoints())
    emit({"stopped": stopped}, f"stopped: {', '.join(stopped)}" if stopped else "nothing was running", as_json)


def _free_port() -> int:
    from deployers.local.ports import is_free

    return next(port for port in itertools.count(PORT) if is_free("127.0.0.1", port))


def _open(way: str) -> None:
    """Run the command that opens a way to an endpoint, until Ctrl-C.

    Raises:
        Unreachable: It can not.
    """
    words = shlex.split(way)
    if shutil.which(words[0]) is None:
        raise Unreachable(f"{words[0]} is not on the path", f"install {words[0]}")
    if code := subprocess.run(words, stdout=sys.stderr, check=False).returncode:
        raise Unreachable(f"{way!r} ended with {code}", "python run.py status")


def _refuse_unknown(name: str, endpoints: Sequence[str]) -> None:
    """Refuse a name that neither an endpoint nor a data set has: what was meant may serve on."""
    from project.strict_yaml import did_you_mean
    from tabular.contract import contract_names

    known = sorted({*endpoints, *contract_names()})
    if name not in known:
        raise ConfigError(f"there is no endpoint {name!r}{did_you_mean(name, known)}", "python run.py status")


def _name(dataset: str | None) -> str:
    """The data set meant: without one the worked example."""
    return DATASET if dataset is None else dataset


def _endpoint(found: Endpoint) -> dict[str, Any]:
    return {
        "name": found.name,
        "url": found.url,
        "version": found.current.version,
        "digest": found.current.digest,
        "since": found.current.deployed_at,
        "previous": [dataclasses.asdict(version) for version in found.previous],
        "beside": [dataclasses.asdict(version) for version in found.beside],
        "plan": found.plan.as_json() if found.plan else None,
        "backend": found.backend,
        "stack": found.stack,
    }


def _status(found: Status) -> dict[str, Any]:
    live = {
        "ready": found.ready,
        "detail": found.detail,
        "serving": found.serving,
        "workers": list(found.workers),
        "pods": list(found.pods),
        "breaches": dict(found.breaches),
        "unjudged": found.unjudged,
    }
    return {**_endpoint(found.endpoint), **live}


def _text(found: Status) -> str:
    at = found.endpoint
    previous = ", ".join(f"{v.version}{' (withdrawn)' if v.withdrawn else ''}" for v in at.previous)
    traffic = [f"  traffic   {at.plan.mode.value}: {at.plan.shares()}"] if at.plan else []
    named = {at.current.version, *(version.version for version in at.beside)}
    astray = found.serving not in (None, *named)
    serving = [f"  answers   {found.serving}, which is none of these: python run.py deploy"] if astray else []
    breaches = [f"  breach    {version}: {reason}" for version, reason in found.breaches.items()]
    breaches += [f"  guard     can not be judged: {found.unjudged}"] if found.unjudged else []
    return "\n".join(
        [
            f"{at.name}: {'ready' if found.ready else f'NOT READY: {found.detail}'}",
            f"  url       {at.url}",
            f"  version   {at.current.version}, digest {at.current.digest[:12]}, since {at.current.deployed_at}",
            *traffic,
            *serving,
            *breaches,
            f"  pods      {', '.join(found.pods)}"
            if found.pods
            else f"  workers   {', '.join(map(str, found.workers)) or 'none'}",
            f"  previous  {previous or 'none'}",
        ]
    )
