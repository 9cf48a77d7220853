"""`run.py monitor`."""

from __future__ import annotations

import click

from cli.options import pipeline_options
from cli.output import emit
from project.errors import ConfigError


@click.command()
@pipeline_options
@click.option("--site", "sites", multiple=True, help="A site of the contract; without it every external site.")
@click.option("--input", "path", help="A file of new rows, written like the contract's own files.")
def monitor(
    stack: str | None,
    dataset: str,
    no_cache: bool,
    debug: bool,
    as_json: bool,
    sites: tuple[str, ...],
    path: str | None,
) -> None:
    """Compare rows of a site with those the champion was trained on.

    \b
    Examples:
      python run.py monitor --site va
      python run.py monitor --dataset penguins --input new_rows.csv
    """
    from cli import summary
    from cli.runs import begin, champion_version, run_monitoring
    from tabular.contract import Site, load_contract, refuse_unknown_sites

    contract = load_contract(dataset)
    if path:
        known = {**contract.sites, "input": Site(role="external", path=path)}
        contract = contract.model_copy(update={"sites": known})
        sites = ("input",)
    refuse_unknown_sites(contract, sites)
    chosen = list(sites or contract.external_sites)
    if not chosen:
        raise ConfigError(
            f"{dataset} has no site but the one it is trained on",
            f"python run.py monitor --dataset {dataset} --input FILE",
        )
    session = begin(stack, contract, not no_cache, debug, ("evidently",), sites=chosen)
    found = summary.monitoring(session, run_monitoring(session, champion_version(session), chosen))
    lines = [*summary.drift_lines(found, dataset), *(f"Report     {report['report']}" for report in found)]
    emit(found, "\n".join(lines), as_json)
