"""`run.py data`: fetch, check, describe, compare and add tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from cli.contract_diff import are_contracts, diff_contracts
from cli.options import data_options
from cli.output import emit, json_option
from cli.processed import clean, expectations, split
from cli.table_diff import diff_tables
from project.errors import Exit

if TYPE_CHECKING:
    from tabular.check_report import CheckReport
    from tabular.contract import Contract
    from tabular.description import SiteDescription


@click.group(no_args_is_help=False)
def data() -> None:
    """The tables that models learn from: their files, their contracts, what they hold.

    \b
    Examples:
      python run.py data validate --dataset penguins
      python run.py data init FILE.csv --target COLUMN
    """


data.add_command(clean)
data.add_command(split)
data.add_command(expectations)


@data.command()
@data_options
@click.option("--site", "sites", multiple=True, help="A site of the contract; without it every one with an address.")
@click.option("--from-copy", is_flag=True, help="Keep the file that is here, if its checksum holds, when offline.")
def download(dataset: str, as_json: bool, sites: tuple[str, ...], from_copy: bool) -> None:
    """Fetch the files of a data set from the addresses in its contract.

    A file takes its place when its sha256 is that of the contract; until then the one that was there stays.

    \b
    Examples:
      python run.py data download
      python run.py data download --dataset penguins --from-copy
    """
    from data.download import download as fetch
    from tabular.contract import load_contract

    found = fetch(load_contract(dataset), sites, from_copy)
    lines = [f"{one.state:<11}{one.path}  sha256 {one.sha256[:12]}" for one in found]
    emit({"files": [dataclasses.asdict(one) for one in found]}, "\n".join(lines), as_json)


@data.command()
@data_options
@click.option("--site", "sites", multiple=True, help="A site of the contract; without it every site.")
@click.option("--input", "path", metavar="FILE", help="Check this file instead, written like the contract's own.")
def validate(dataset: str, as_json: bool, sites: tuple[str, ...], path: str | None) -> None:
    """Check the rows against the contract, as training does first; exit code 3 where a rule does not hold.

    A file is asked what any site is. With --site it is checked in that site's place: for the training site also how
    many rows it has, of which classes, what is missing and what gives the class away.

    \b
    Examples:
      python run.py data validate
      python run.py data validate --dataset penguins --input new_rows.csv --json
      python run.py data validate --site cleveland --input collected_since.data
    """
    from project.paths import REPORTS, ROOT
    from tabular.check_summary import page
    from tabular.checks import check_rows
    from tabular.reading import read_site

    contract, names = _sites(dataset, sites, path)
    reports = [check_rows(contract, read_site(contract, name), name) for name in names]
    file = REPORTS / contract.name / "data_checks.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(reports), encoding="utf-8")
    said = [{k: v for k, v in dataclasses.asdict(report).items() if k != "html"} for report in reports]
    where = str(file.relative_to(ROOT))
    emit({"passed": all(r.passed for r in reports), "sites": said, "report": where}, _checked(reports, where), as_json)
    if not all(report.passed for report in reports):
        click.get_current_context().exit(Exit.REFUSED)


@data.command()
@data_options
@click.option("--site", "sites", multiple=True, help="A site of the contract; without it every site.")
@click.option("--input", "path", metavar="FILE", help="Describe this file instead, written like the contract's own.")
def describe(dataset: str, as_json: bool, sites: tuple[str, ...], path: str | None) -> None:
    """Show rows, classes and each column: type, missing, range or most frequent values.

    \b
    Examples:
      python run.py data describe --dataset penguins
      python run.py data describe --site va --site hungarian --json
    """
    from tabular.description import describe_site
    from tabular.reading import read_site

    contract, names = _sites(dataset, sites, path)
    found = [describe_site(contract, name, read_site(contract, name)) for name in names]
    text = "\n\n".join("\n".join(_described(site)) for site in found)
    emit({"dataset": dataset, "sites": [dataclasses.asdict(site) for site in found]}, text, as_json)


@data.command()
@data_options
@click.argument("first")
@click.argument("second")
def diff(dataset: str, as_json: bool, first: str, second: str) -> None:
    """Compare two tables, each a site, the whole data set or a file, or two contracts; exit code 5 where they differ.

    The order of rows and columns and the spelling of a number do not count. NAME@REVISION is what git or DVC has of a
    table there; a contract is a YAML file, or @REVISION: the data set's own.

    \b
    Examples:
      python run.py data diff cleveland va
      python run.py data diff --dataset penguins palmer new_penguins.csv
      python run.py data diff heart_disease@HEAD~1 heart_disease
      python run.py data diff @HEAD~1 configs/datasets/heart_disease.yaml
    """
    if are_contracts(first, second):
        diff_contracts(dataset, first, second, as_json)
    else:
        diff_tables(dataset, first, second, as_json)


@data.command()
@click.argument("file")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--name", help="Name of the data set.  [default: from the file's name]")
@json_option
def init(file: str, target: str, name: str | None, as_json: bool) -> None:
    """Write a first contract for a CSV or Parquet file; it wants to be read and corrected before it runs.

    \b
    Examples:
      python run.py data init wine.csv --target quality
      python run.py data init s3://bucket/loans.parquet --target default --name loans
    """
    from project.paths import ROOT
    from tabular.contract_draft import draft_contract, write_draft

    draft = draft_contract(file, target, name)
    path = write_draft(draft).relative_to(ROOT)
    lines = [
        f"Wrote {path}: read and correct it, {draft.guesses} guesses are marked '# check:'.",
        *(f"  {remark}" for remark in draft.remarks),
        f"Next:  python run.py data validate --dataset {draft.name}",
        f"       python run.py --stack local --dataset {draft.name}",
    ]
    emit(
        {"name": draft.name, "contract": str(path), "guesses": draft.guesses, "remarks": draft.remarks},
        "\n".join(lines),
        as_json,
    )


def _sites(dataset: str, sites: Sequence[str], path: str | None) -> tuple[Contract, list[str]]:
    """The contract and the sites meant; a file takes the place of the site that is named, or is one more, `input`."""
    from project.paths import from_root
    from tabular.contract import Site, load_contract, refuse_unknown_sites

    contract = load_contract(dataset)
    refuse_unknown_sites(contract, sites)
    if path is None:
        return contract, list(sites or contract.sites)
    if len(sites) > 1:
        raise click.UsageError("--input is one file: give at most one --site with it")
    name, role = (sites[0], contract.sites[sites[0]].role) if sites else ("input", "external")
    return contract.model_copy(update={"sites": {name: Site(role=role, path=from_root(path))}}), [name]


def _checked(reports: Sequence[CheckReport], page: str) -> str:
    lines = []
    for report in reports:
        state = "all hold" if report.passed else f"{len(report.violations)} broken"
        lines.append(f"{report.site:<14}{report.rows:>7,} rows   {report.rules} checks, {state}")
        lines += [f"  {violation}" for violation in report.violations]
    if any(not report.passed for report in reports):
        lines.append("Next:  correct the rows or the contract, then type the same command again")
    return "\n".join([*lines, f"Report {page}"])


def _described(site: SiteDescription) -> Iterator[str]:
    total = sum(site.classes.values()) or 1
    classes = ", ".join(f"{label} {rows:,} ({rows / total:.0%})" for label, rows in site.classes.items())
    yield f"{site.site} ({site.role}): {site.rows:,} rows{'; ' if classes else ''}{classes}"
    width = max(len(column.column) for column in site.columns)
    for column in site.columns:
        odd = f", {column.unreadable} unreadable" if column.unreadable else ""
        said = f"{column.missing:>5.0%} missing{odd}   {_values(column.quantiles, column.values)}"
        yield f"  {column.column:<{width}}  {column.type:<9}{said}"


def _values(quantiles: Mapping[str, float], values: Mapping[str, int]) -> str:
    if quantiles:
        low, *inner, high = (f"{value:g}" for value in quantiles.values())
        return f"{low} to {high}, 5 % / median / 95 %: {' / '.join(inner)}"
    return ", ".join(f"{value} {rows:,}" for value, rows in values.items())
