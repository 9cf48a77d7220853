"""`run.py monitor`."""

from __future__ import annotations

from pathlib import Path

import click

from cli.options import pipeline_options
from cli.output import emit
from project.errors import ConfigError


@click.command()
@pipeline_options
@click.option("--site", "sites", multiple=True, help="A site of the contract; without it every external site.")
@click.option("--input", "path", help="A file of new rows, written like the contract's own files; without classes too.")
@click.option(
    "--adapt",
    "folder",
    type=click.Path(path_type=Path),
    help="Fit a model for one site from its unlabelled rows instead, and write its bundle into this folder.",
)
def monitor(
    stack: str | None,
    dataset: str,
    no_cache: bool,
    debug: bool,
    as_json: bool,
    sites: tuple[str, ...],
    path: str | None,
    folder: Path | None,
) -> None:
    """Compare rows of a site with those the champion was trained on, or adapt the champion to them.

    --adapt looks at no label. It fits the training rows without what the site does not measure, estimates how common
    each class is there, and asks its gates (configs/monitoring.yaml). Nothing that serves is touched.

    \b
    Examples:
      python run.py monitor --site va
      python run.py monitor --dataset penguins --input new_rows.csv
      python run.py monitor --site va --adapt models/heart_disease_va
    """
    from cli import summary
    from cli.adapting import run_adaptation
    from cli.runs import begin, champion_version, run_monitoring
    from project.paths import from_root
    from tabular.bundle import check_replaceable
    from tabular.contract import Site, load_contract, refuse_unknown_sites

    contract = load_contract(dataset)
    if path:
        if sites:
            raise click.UsageError("--input is a site of its own: leave --site out")
        known = {**contract.sites, "input": Site(role="unlabelled", path=from_root(path))}
        contract = contract.model_copy(update={"sites": known})
        sites = ("input",)
    refuse_unknown_sites(contract, sites)
    chosen = list(sites or contract.watched_sites)
    if not chosen:
        raise ConfigError(
            f"{dataset} has no site but the one it is trained on",
            f"python run.py monitor --dataset {dataset} --input FILE",
        )
    if folder is not None:
        if len(chosen) > 1:
            raise ConfigError(
                f"--adapt is for one site; {dataset} has {', '.join(chosen)}",
                f"python run.py monitor --dataset {dataset} --site {chosen[0]} --adapt {folder}",
            )
        check_replaceable(folder)  # now, not after the fit
        session = begin(stack, contract, not no_cache, debug, sites=chosen)
        adapted = summary.adaptation(chosen[0], run_adaptation(session, champion_version(session), chosen[0]), folder)
        emit(adapted, summary.adaptation_text(adapted, dataset), as_json)
        return
    session = begin(stack, contract, not no_cache, debug, ("evidently",), sites=chosen)
    found = summary.monitoring(session, run_monitoring(session, champion_version(session), chosen))
    lines = [*summary.drift_lines(found, dataset), *(f"Report     {report['report']}" for report in found)]
    emit(found, "\n".join(lines), as_json)
