"""`run.py deploy`."""

from __future__ import annotations

import click

from cli.options import pipeline_options
from cli.output import emit


@click.command()
@pipeline_options
@click.option("--port", type=click.IntRange(1, 65535), help="Port of a local endpoint.")
def deploy(stack: str | None, dataset: str, no_cache: bool, debug: bool, as_json: bool, port: int | None) -> None:
    """Put the champion behind its endpoint; the version before serves until the new one answers.

    \b
    Examples:
      python run.py deploy --stack local
      python run.py deploy --dataset penguins --port 8010
    """
    from cli import summary
    from cli.runs import begin, champion_version, run_deployment

    session = begin(stack, dataset, not no_cache, debug)
    endpoint = summary.deployment(run_deployment(session, champion_version(session), port))
    answer = summary.prediction(session.contract, endpoint)
    text = (
        f"{dataset} {endpoint['version']} serves at {endpoint['url']}\n"
        f"{answer['label']} with probability {answer['probability']:.3f}, for the example row"
    )
    emit({"endpoint": endpoint, "prediction": answer}, text, as_json)
