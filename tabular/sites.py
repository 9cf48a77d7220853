"""All sites of a contract as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tabular.contract import Contract
from tabular.reading import Table, Unreadable, read_site

SITE = "_site"
"""Column that says which site a row comes from; a contract's own names can not begin with an underscore."""


@dataclass(frozen=True, slots=True)
class UnreadableCells:
    """Cells that do not fit their column's type, by site."""

    by_site: dict[str, list[Unreadable]]


def read_sites(contract: Contract, sites: Sequence[str]) -> tuple[pd.DataFrame, UnreadableCells]:
    """Read sites one after the other.

    Returns:
        Typed rows with the column `SITE`, in the order of `sites`, and what could not be read.
    """
    tables = {site: read_site(contract, site) for site in sites}
    rows = pd.concat([table.rows.assign(**{SITE: site}) for site, table in tables.items()], ignore_index=True)
    return rows, UnreadableCells({site: table.unreadable for site, table in tables.items()})


def rows_of(rows: pd.DataFrame, site: str) -> pd.DataFrame:
    """The rows of one site, freshly numbered, without the site column."""
    return rows[rows[SITE] == site].drop(columns=SITE).reset_index(drop=True)


def tables(rows: pd.DataFrame, unreadable: UnreadableCells) -> dict[str, Table]:
    """The tables as they were read, by site."""
    return {site: Table(rows_of(rows, site), cells) for site, cells in unreadable.by_site.items()}
