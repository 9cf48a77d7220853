"""`run.py data diff` of two tables: a site, every site, or a file, as it is or as it was at a revision."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.contract_diff import REVISION, contract_named
from cli.output import emit
from project.errors import ConfigError, Exit

if TYPE_CHECKING:
    import pandas as pd

    from tabular.comparison import Comparison
    from tabular.contract import Contract


def diff_tables(dataset: str, first: str, second: str, as_json: bool) -> None:
    """Print what differs; exit code 5 where something does.

    Raises:
        ConfigError: There is no such revision, or neither git nor DVC has the file at it.
        Unreachable: A file is missing or its store does not answer.
        Refused: One of them is no table.
    """
    from tabular.comparison import compare

    found = compare(_rows(dataset, first), _rows(dataset, second))
    document = {"first": first, "second": second, "same": found.same, **dataclasses.asdict(found)}
    emit(document, "\n".join(_text(found, first, second)), as_json)
    if not found.same:
        click.get_current_context().exit(Exit.DIFFERENT)


def _rows(dataset: str, named: str) -> pd.DataFrame:
    name, _, revision = named.rpartition(REVISION)
    if not name or "://" in named or Path(named).exists():  # no revision, but a file or an address with @ in it
        name, revision = named, ""
    contract = contract_named(dataset, f"{REVISION}{revision}" if revision else None)
    if name != contract.name:
        return _table(contract, name, revision)
    import pandas as pd

    from tabular.sites import SITE

    return pd.concat(
        [_table(contract, site, revision).assign(**{SITE: site}) for site in contract.sites], ignore_index=True
    )


def _table(contract: Contract, name: str, revision: str) -> pd.DataFrame:
    """The rows of a site or a file; at a revision where one is given."""
    from tabular.comparison import raw_rows
    from tracking.revisions import fetch_file

    if not revision:
        return raw_rows(contract, name)
    path = contract.sites[name].path if name in contract.sites else name
    if "://" in path or Path(path).is_absolute():
        raise ConfigError(f"{path} lies outside this tree: neither git nor DVC keeps what it was", "name two files")
    with tempfile.TemporaryDirectory() as folder:
        return raw_rows(contract, str(fetch_file(revision, path, Path(folder))))


def _text(found: Comparison, first: str, second: str) -> Iterator[str]:
    if found.same:
        yield f"{first} and {second} hold the same {found.rows[0]:,} rows"
        return
    yield f"Rows       {found.rows[0]:,} and {found.rows[1]:,}: {found.rows_gone:,} gone, {found.rows_new:,} new"
    for file, columns in ((first, found.only_first), (second, found.only_second)):
        if columns:
            yield f"Columns    only in {file}: {', '.join(columns)}"
    for difference in found.columns:
        yield f"{difference.column:<24}{'; '.join(difference.what)}"
