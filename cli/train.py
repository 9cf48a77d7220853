"""`run.py train`."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import pipeline_options
from cli.output import emit


@click.command()
@pipeline_options
@click.option("--quick/--full", default=True, help="Small or whole search.  [default: quick]")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Threads for the search.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Also write the bundle into this folder.")
def train(
    stack: str | None,
    dataset: str,
    no_cache: bool,
    debug: bool,
    as_json: bool,
    quick: bool,
    jobs: int,
    bundle: Path | None,
) -> None:
    """Train, judge and promote; deploy nothing.

    \b
    Examples:
      python run.py train --stack local --full
      python run.py train --dataset penguins --json
      python run.py train --bundle models/heart_disease
    """
    from cli import summary
    from cli.runs import ASIDE, MEANWHILE, alone, begin, run_training
    from tabular.bundle import check_replaceable, replace_bundle
    from tabular.contract import load_contract
    from tracking.names import Artifact

    if bundle:
        check_replaceable(bundle)  # now, not after minutes of training
    contract = load_contract(dataset)
    session = begin(stack, contract, not no_cache, debug, ASIDE, MEANWHILE, list(contract.sites))
    with alone(session):
        outputs = run_training(session, "quick" if quick else "full", jobs)
    found = summary.training(session, outputs)
    if bundle:
        replace_bundle(outputs[f"package_model.{Artifact.BUNDLE}"].load(), bundle)
    emit(found, summary.training_text(found), as_json)
