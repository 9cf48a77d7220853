"""`run.py predict`: a file, or one row at the endpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import stack_options
from cli.output import emit
from project.errors import ConfigError

if TYPE_CHECKING:
    from tabular.batch import BatchFiles, BatchSummary
    from tabular.bundle import Bundle


@click.command()
@stack_options
@click.option("--input", "source", metavar="FILE", help="Rows to predict: CSV or Parquet, a path, a URL or a bucket.")
@click.option("--output", metavar="FILE", help="Where the answers go: CSV, or Parquet by the name's ending.")
@click.option("--rejects", metavar="FILE", help="Where rows go that do not fit.  [default: beside the output]")
@click.option("--max-rejects", type=click.IntRange(0), help="Rows that may be left out.  [default: a share, configs/]")
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column of the input to carry over to the output.")
@click.option(
    "--bundle",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A bundle to use instead of the champion.",
)
@click.option("--pipeline", is_flag=True, help="Run as a ZenML pipeline on the stack, with the registry's champion.")
@click.option("--row", metavar="JSON", help="Ask the endpoint for one row instead.")
def predict(
    stack: str | None,
    dataset: str,
    debug: bool,
    as_json: bool,
    source: str | None,
    output: str | None,
    rejects: str | None,
    max_rejects: int | None,
    keep: tuple[str, ...],
    folder: Path | None,
    pipeline: bool,
    row: str | None,
) -> None:
    """Predict a file with the version that serves, or one row at its endpoint.

    Rows are judged as the endpoint judges them. Those that do not fit go to the rejects file with the reason;
    with too many of them the exit code is 3 and no answers are written. Without an endpoint the champion
    comes from the stack's registry.

    \b
    Examples:
      python run.py predict --input rows.csv --output answers.csv
      python run.py predict --input s3://bucket/rows.parquet --output s3://bucket/answers.parquet --keep id
      python run.py predict --dataset penguins --input birds.csv --output out.csv --max-rejects 5 --json
      python run.py predict --row '{"age": 63, "sex": 1}'
    """
    if row is not None:
        if source or output:
            raise click.UsageError("--row asks the endpoint for one row: leave --input and --output out")
        _predict_row(stack, dataset, row, as_json)
        return
    if not source or not output:
        raise click.UsageError("give --input and --output, or --row")
    if pipeline and folder:
        raise click.UsageError("--pipeline takes the registry's champion: leave --bundle out")
    files = _files(dataset, source, output, rejects, keep)
    if pipeline:
        version, found = _on_stack(stack, dataset, debug, files, max_rejects)
    else:
        from tabular.batch import predict_file

        version, bundle = _bundle(stack, dataset, debug, folder)
        found = predict_file(bundle, files, _settings(), max_rejects)
    said = {"version": version, **dataclasses.asdict(found)}
    emit(said, _text(said), as_json)


def _predict_row(stack: str | None, dataset: str, text: str, as_json: bool) -> None:
    from cli.place import deployer

    try:
        row = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"--row is not JSON: {error}", f"python run.py endpoint --dataset {dataset}") from None
    if not isinstance(row, dict):
        raise ConfigError("--row is not a JSON object of field names and values", "python run.py endpoint")
    answer = deployer(stack).predict(dataset, row)
    said = f"{answer['label']} with probability {answer['probability']:.3f}, {answer['model']} {answer['version']}"
    emit(answer, said, as_json)


def _files(dataset: str, source: str, output: str, rejects: str | None, keep: tuple[str, ...]) -> BatchFiles:
    from tabular.batch import BatchFiles
    from tabular.contract import load_contract

    contract = load_contract(dataset)
    stem = output.removesuffix(Path(output).suffix)
    return BatchFiles(
        source, output, rejects or f"{stem}.rejects.csv", contract.reading, (contract.target.column,), keep
    )


def _settings() -> Any:
    from project.paths import CONFIGS
    from project.strict_yaml import read_yaml
    from tabular.batch import BatchConfig

    return read_yaml(CONFIGS / "batch_inference.yaml", BatchConfig).batch


def _bundle(stack: str | None, dataset: str, debug: bool, folder: Path | None) -> tuple[str, Bundle]:
    """The bundle asked for, else the one behind the endpoint, else the registry's champion."""
    from cli.place import deployer
    from tabular.bundle import read_bundle

    if folder is not None:
        anew = f"python run.py train --dataset {dataset} --bundle {folder}"
        bundle = read_bundle(folder, f"restore it from a copy, or make it anew: {anew}")
        name = bundle.json("contract.json")["name"]
        if name != dataset:
            raise ConfigError(f"{folder} is a bundle of {name}, not of {dataset}", f"add --dataset {name}")
        return str(folder), bundle
    asked = deployer(stack)
    if dataset in asked.endpoints():
        endpoint, bundle = asked.bundle(dataset)
        if stack in (None, endpoint.stack):
            return endpoint.current.version, bundle
    from cli.runs import begin, champion_version
    from tabular.contract import load_contract
    from tracking.versions import champion_bundle

    version = champion_version(begin(stack, load_contract(dataset), cache=True, debug=debug))
    champion = champion_bundle(dataset)
    assert champion is not None  # noqa: S101  it has a version
    return version, champion


def _on_stack(
    stack: str | None, dataset: str, debug: bool, files: BatchFiles, max_rejects: int | None
) -> tuple[str, BatchSummary]:
    from cli.runs import begin, champion_version, run_batch_inference
    from tabular.contract import load_contract

    session = begin(stack, load_contract(dataset), cache=True, debug=debug)
    version = champion_version(session)
    return version, run_batch_inference(session, version, files, _settings(), max_rejects)


def _text(said: Mapping[str, Any]) -> str:
    labels = ", ".join(f"{label} {count:,}" for label, count in sorted(said["labels"].items()))
    reasons = ", ".join(f"{column or 'row length'} {count:,}" for column, count in said["reasons"].items())
    return "\n".join(
        [
            f"Predicted  {said['predicted']:,} of {said['rows']:,} rows: {labels}",
            f"Model      {said['model']} {said['version']}, digest {said['digest'][:12]}",
            f"Rejected   {said['rejected']:,}" + (f" ({reasons})" if reasons else ""),
            f"Answers    {said['output']}",
            f"Rejects    {said['rejects']}",
        ]
    )
