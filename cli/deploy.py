"""`run.py deploy`."""

from __future__ import annotations

import click

from cli.options import pipeline_options
from cli.output import emit


@click.command()
@pipeline_options
@click.option("--port", type=click.IntRange(1, 65535), help="Port of a local endpoint.")
@click.option(
    "--strategy",
    type=click.Choice(["replace", "blue-green", "canary", "ab", "shadow"]),
    help="How it takes over; without it as configs/deployment.yaml says.",
)
@click.option("--share", "shares", multiple=True, type=float, help="Percent of the answers, once per step of a canary.")
@click.option("--seconds", type=click.FloatRange(0), help="How long each step is watched.")
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
    from tabular.contract import load_contract

    session = begin(stack, load_contract(dataset), not no_cache, debug)
    chosen = {"strategy": strategy, "shares": list(shares) or None, "seconds": seconds}
    settings = {**session.rollout.model_dump(), **{name: value for name, value in chosen.items() if value is not None}}
    if not all(0 < share < 100 for share in settings["shares"]):
        raise click.BadParameter(f"{shares} are not percentages between 0 and 100", param_hint="--share")
    rollout = type(session.rollout).model_validate(settings)
    endpoint = summary.deployment(run_deployment(session, champion_version(session), port, rollout))
    answer = summary.prediction(session.contract, endpoint)
    text = (
        f"{dataset} {endpoint['version']} serves at {endpoint['url']}"
        f"{', ' + endpoint['traffic'] if endpoint['traffic'] else ''}\n"
        f"{answer['label']} with probability {answer['probability']:.3f}, for the example row"
    )
    emit({"endpoint": endpoint, "prediction": answer}, text, as_json)
