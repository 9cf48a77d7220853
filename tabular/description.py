"""What a table holds, column by column: for people to look at, and to tell two tables apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabular.contract import Contract
from tabular.reading import Table

TOP = 5
QUANTILES = {"minimum": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "maximum": 1.0}


@dataclass(frozen=True, slots=True)
class ColumnDescription:
    """One column of one site."""

    column: str
    type: str
    missing: float
    """Share of rows without a value, 0 to 1."""
    unreadable: int
    """Cells that do not fit the type; they count as missing."""
    quantiles: dict[str, float]
    """Numbers: least, 5 %, median, 95 %, greatest."""
    values: dict[str, int]
    """Others: the most frequent values, as people read them, and their rows."""


@dataclass(frozen=True, slots=True)
class SiteDescription:
    """One site: its rows, target and columns."""

    site: str
    role: str
    rows: int
    classes: dict[str, int]
    columns: list[ColumnDescription]


def describe_site(contract: Contract, site: str, table: Table) -> SiteDescription:
    """Describe a site's table as its contract reads it."""
    odd = Counter(cell.column for cell in table.unreadable)
    columns = []
    for name, feature in contract.features.items():
        cells = table.rows[name]
        labels = dict(zip(feature.codes, feature.labels, strict=True))
        columns.append(
            ColumnDescription(
                name,
                feature.type,
                round(float(cells.isna().mean()), 4),
                odd[name],
                _quantiles(cells) if feature.is_number else {},
                {} if feature.is_number else _top(cells, labels),
            )
        )
    classes = {}
    if contract.target.column in table.rows:
        counts = table.rows[contract.target.column].value_counts()
        classes = {label: int(counts.get(label, 0)) for label in contract.target.labels}
    return SiteDescription(site, contract.sites[site].role, len(table.rows), classes, columns)


def _quantiles(cells: pd.Series[Any]) -> dict[str, float]:
    known = cells.dropna().to_numpy(dtype=np.float64)
    if not len(known):
        return {}
    return {name: round(float(np.quantile(known, share)), 6) for name, share in QUANTILES.items()}


def _top(cells: pd.Series[Any], labels: Mapping[Any, str]) -> dict[str, int]:
    counts = cells.value_counts().head(TOP)
    return {labels.get(value, str(value)): int(count) for value, count in counts.items()}
