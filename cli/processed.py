"""`run.py data clean`, `split` and `expectations`: files that the project keeps, made from a contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from cli.options import data_options
from cli.output import emit


@click.command()
@data_options
def clean(dataset: str, as_json: bool) -> None:
    """Read and check every site, and write the typed rows to data/processed; a stage of dvc.yaml.

    \b
    Examples:
      python run.py data clean
      python run.py data clean --dataset penguins --json
    """
    from tabular.contract import load_contract
    from tabular.processed import clean as write

    _say(write(load_contract(dataset)), as_json)


@click.command()
@data_options
def split(dataset: str, as_json: bool) -> None:
    """Split what `clean` wrote as training does, and write the parts beside it; a stage of dvc.yaml.

    \b
    Examples:
      python run.py data split
      python run.py data split --dataset penguins --json
    """
    from project.paths import CONFIGS
    from project.strict_yaml import read_yaml
    from tabular.contract import load_contract
    from tabular.processed import split as write
    from tabular.training_config import TrainingConfig

    _say(write(load_contract(dataset), read_yaml(CONFIGS / "training.yaml", TrainingConfig)), as_json)


@click.command()
@data_options
def expectations(dataset: str, as_json: bool) -> None:
    """Write the contract's checks to data/expectations, as Great Expectations suites in JSON.

    \b
    Examples:
      python run.py data expectations
      python run.py data expectations --dataset penguins --json
    """
    from tabular.contract import load_contract
    from tabular.suites import write_suites

    _say(write_suites(load_contract(dataset)), as_json)


def _say(written: Sequence[Path], as_json: bool) -> None:
    from project.paths import ROOT

    files = [str(path.relative_to(ROOT)) for path in written]
    emit({"files": files}, "\n".join(f"Wrote {file}" for file in files), as_json)
