"""What differs between two tables: columns, rows, and each column that both have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from project.errors import Refused
from tabular.cells import is_missing, missing_signs, plain
from tabular.contract import Contract
from tabular.files import opened
from tabular.reading import located, raw_table
from tabular.sniffing import sniff

SHOWN = 5


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """How a column that both tables have differs."""

    column: str
    what: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two tables, and what differs."""

    rows: tuple[int, int]
    only_first: list[str]
    """Columns of the first table alone."""
    only_second: list[str]
    rows_gone: int
    """Rows of the first table that the second has not, by the columns both have; equal rows count each."""
    rows_new: int
    columns: list[ColumnDifference]

    @property
    def same(self) -> bool:
        """Whether both hold the same rows in the same columns, in whatever order."""
        return not (self.only_first or self.only_second or self.rows_gone or self.rows_new)


def compare(first: pd.DataFrame, second: pd.DataFrame) -> Comparison:
    """Compare two tables as they are written; `63`, `63.0` and ` 63 ` are the same value, and so are all missing ones.

    Args:
        first: Cells as text or as stored, None or NaN where one is missing.
        second: The same.
    """
    common = [str(name) for name in first.columns if name in second.columns]
    before, after = _plain(first[common]), _plain(second[common])
    moved = pd.Series(dtype=float)
    if common:
        moved = before.value_counts().sub(after.value_counts(), fill_value=0)
    differences = [ColumnDifference(name, what) for name in common if (what := _column(before[name], after[name]))]
    return Comparison(
        rows=(len(first), len(second)),
        only_first=[str(name) for name in first.columns if name not in common],
        only_second=[str(name) for name in second.columns if name not in common],
        rows_gone=int(moved[moved > 0].sum()),
        rows_new=int(-moved[moved < 0].sum()),
        columns=differences,
    )


def raw_rows(contract: Contract, name: str) -> pd.DataFrame:
    """Rows as they are written, every column of the file, None where a value is missing.

    Args:
        contract: Says how the data set's files are written.
        name: A site of the contract, or a file: one written like the contract's own, else any CSV or Parquet.

    Raises:
        Unreachable: It is missing or its store does not answer.
        Refused: It is no table.
    """
    place = located(contract.sites[name].path) if name in contract.sites else name
    with opened(place) as file:
        content = file.read()
    try:
        raw = raw_table(contract, content, name).astype(object)
    except Refused:
        if name in contract.sites:
            raise
        return sniff(name).frame
    signs = missing_signs(contract.reading.missing)
    missing = raw.map(lambda cell: is_missing(cell, signs))
    return raw.mask(missing, None)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype(object).where(frame.notna(), "").map(plain)


def _column(before: pd.Series[Any], after: pd.Series[Any]) -> list[str]:
    said = []
    missing = [float((cells == "").mean()) if len(cells) else 0.0 for cells in (before, after)]
    if missing[0] != missing[1]:
        said.append(f"missing {missing[0]:.1%} to {missing[1]:.1%}")
    known = [cells[cells != ""] for cells in (before, after)]
    numbers = [pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64) for cells in known]
    if all(len(values) and np.isfinite(values).all() for values in numbers):
        for name, measure in (("minimum", np.min), ("median", np.median), ("maximum", np.max), ("mean", np.mean)):
            was, now = (float(measure(values)) for values in numbers)
            if not np.isclose(was, now, rtol=1e-9, atol=0):
                digits = 6 if f"{was:.6g}" != f"{now:.6g}" else 15
                said.append(f"{name} {was:.{digits}g} to {now:.{digits}g}")
        return said
    values = [set(cells) for cells in known]
    for word, only in (("gone", values[0] - values[1]), ("new", values[1] - values[0])):
        if only:
            more = f" and {len(only) - SHOWN} more" if len(only) > SHOWN else ""
            said.append(f"{word}: {', '.join(sorted(only)[:SHOWN])}{more}")
    shares = [cells.value_counts(normalize=True) for cells in known]
    change = shares[1].sub(shares[0], fill_value=0.0)
    if len(change) and change.abs().max() > 1e-9:
        most = str(change.abs().idxmax())
        said.append(f"share of {most} {shares[0].get(most, 0.0):.1%} to {shares[1].get(most, 0.0):.1%}")
    return said
