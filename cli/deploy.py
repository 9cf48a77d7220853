"""`run.py deploy`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import click

from cli.options import pipeline_options
from cli.output import emit

MOST_SHARES = {"canary": 100, "ab": 1}
WATCHED = ("blue-green", "canary", "ab")


class Finite(click.FloatRange):
    """A range without NaN, which is in every one, and infinity, which is in those without an end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that was typed."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is no number to go by", param, ctx)
        return number


@click.command()
@pipeline_options
@click.option("--port", type=click.IntRange(1, 65535), help="Port of a local endpoint.")
@click.option(
    "--strategy",
    type=click.Choice(["replace", "blue-green", "canary", "ab", "shadow"]),
    help="How it takes over; without it as configs/deployment.yaml says.",
)
@click.option(
    "--share",
    "shares",
    multiple=True,
    type=Finite(0, 100, min_open=True, max_open=True),
    help="Percent of the answers, once per step of a canary; of an A/B test once.",
)
@click.option(
    "--seconds", type=Finite(0), help="How long each step of a canary, a blue-green switch or an A/B test is watched."
)
def deploy(
    stack: str | None,
    dataset: str,
    no_cache: bool,
    debug: bool,
    as_json: bool,
    port: int | None,
    strategy: str | None,
    shares: tuple[float, ...],
    seconds: float | None,
) -> None:
    """Put the champion behind its endpoint; the version before serves until the new one answers.

    \b
    Examples:
      python run.py deploy --stack local
      python run.py deploy --dataset penguins --port 8010
      python run.py deploy --strategy canary --share 5 --share 25 --seconds 60
      python run.py deploy --strategy shadow
    """
    from cli import summary
    from cli.runs import begin, champion_version, run_deployment
    from deployers.record import now
    from tabular.contract import load_contract

    if strategy is not None:
        _check_used(strategy, shares, seconds)
    session = begin(stack, load_contract(dataset), not no_cache, debug)
    chosen = {"strategy": strategy, "shares": list(shares) or None, "seconds": seconds}
    settings = {**session.rollout.model_dump(), **{name: value for name, value in chosen.items() if value is not None}}
    rollout = type(session.rollout).model_validate(settings)
    _check_used(rollout.strategy, shares, seconds)
    started = now()
    outputs = run_deployment(session, champion_version(session), port, rollout)
    endpoint = summary.deployment(outputs, port, since=started)
    answer = summary.prediction(session.contract, endpoint)
    text = (
        f"{dataset} {endpoint['version']} serves at {endpoint['url']}"
        f"{', ' + endpoint['traffic'] if endpoint['traffic'] else ''}\n"
        f"{_unused(strategy, endpoint)}"
        f"{answer['label']} with probability {answer['probability']:.3f}, for the example row"
    )
    emit({"endpoint": endpoint, "prediction": answer}, text, as_json)


def _check_used(strategy: str, shares: Sequence[float], seconds: float | None) -> None:
    """Refuse options that this strategy would pass over without a word."""
    most = MOST_SHARES.get(strategy, 0)
    if len(shares) > most:
        takes = f"{most} share" if most else "no share"
        raise click.BadParameter(f"{strategy} takes {takes}; --strategy canary takes several", param_hint="--share")
    if seconds is not None and strategy not in WATCHED:
        detail = f"{strategy} is not watched; {', '.join(WATCHED)} are"
        raise click.BadParameter(detail, param_hint="--seconds")


def _unused(strategy: str | None, endpoint: Mapping[str, Any]) -> str:
    """A line for each option that there was nothing to do for."""
    kept = f"{endpoint['kept']}\n" if endpoint["kept"] else ""
    if strategy in (None, "replace") or not endpoint["alone"]:
        return kept
    return f"{kept}--strategy {strategy} was not used: {endpoint['alone']}\n"
