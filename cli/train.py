"""`run.py train`."""

from __future__ import annotations

import click

from cli.options import pipeline_options
from cli.output import emit


@click.command()
@pipeline_options
@click.option("--quick/--full", default=True, help="Small or whole search.  [default: quick]")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Threads for the search.")
def train(stack: str | None, dataset: str, no_cache: bool, debug: bool, as_json: bool, quick: bool, jobs: int) -> None:
    """Train, judge and promote; deploy nothing.

    \b
    Examples:
      python run.py train --stack local --full
      python run.py train --dataset penguins --json
    """
    from cli import summary
    from cli.runs import begin, run_training

    session = begin(stack, dataset, not no_cache, debug)
    found = summary.training(session, run_training(session, "quick" if quick else "full", jobs))
    emit(found, summary.training_text(found), as_json)
