"""What a data set looks like before anything is learnt from it: tables that a contract alone names the columns of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tabular.contract import Contract

LEAST = 10
"""Known values below which a column is not compared."""


def missing_shares(contract: Contract, sites: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of rows without a value: features by sites, 0 to 1."""
    return pd.DataFrame(
        {site: [float(rows[name].isna().mean()) for name in contract.features] for site, rows in sites.items()},
        index=list(contract.features),
    )


def prevalence(contract: Contract, sites: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of each class: classes by sites, each column adds up to 1."""
    target, labels = contract.target.column, contract.target.labels
    shares = {site: rows[target].value_counts(normalize=True) for site, rows in sites.items()}
    return pd.DataFrame(
        {site: [float(found.get(label, 0.0)) for label in labels] for site, found in shares.items()}, index=labels
    )


def shifts(contract: Contract, sites: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How far each feature of an external site lies from the training site's, known values alone.

    Returns:
        Features by external sites, 0 (alike) to 1 (nothing in common): the Kolmogorov-Smirnov statistic of numbers,
        half the sum of absolute differences of shares for the others; NaN where either has fewer than `LEAST` values.
    """
    home = sites[contract.training_site]
    return pd.DataFrame(
        {
            site: [_distance(home[name], sites[site][name], f.is_number) for name, f in contract.features.items()]
            for site in contract.external_sites
        },
        index=list(contract.features),
    )


def correlations(contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of numbers, booleans and each class with each other, pairwise complete."""
    ordered = [name for name, feature in contract.features.items() if feature.type != "category"]
    table = rows[ordered].astype("Float64").astype(float)
    labels = contract.target.labels[1:] if contract.task == "binary" else contract.target.labels
    for label in labels:
        table[label] = (rows[contract.target.column] == label).astype(float)
    return table.corr(method="spearman")


def outliers(contract: Contract, rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers beyond 1.5 times the distance of the quartiles (Tukey's fences): how many, and the farthest of them."""
    found = {}
    for name, feature in contract.features.items():
        if not feature.is_number or rows[name].notna().sum() < LEAST:
            continue
        known = _known(rows[name])
        first, third = np.quantile(known, [0.25, 0.75])
        room = 1.5 * (third - first)
        beyond = known[(known < first - room) | (known > third + room)]
        far = beyond[np.argmax(np.abs(beyond - np.median(known)))] if len(beyond) else np.nan
        found[name] = {"low": first - room, "high": third + room, "rows": len(beyond), "farthest": far}
    return pd.DataFrame.from_dict(found, orient="index", columns=["low", "high", "rows", "farthest"])


def _distance(first: pd.Series[Any], second: pd.Series[Any], number: bool) -> float:
    if min(first.notna().sum(), second.notna().sum()) < LEAST:
        return float("nan")
    if number:
        ours, theirs = np.sort(_known(first)), np.sort(_known(second))
        at = np.concatenate([ours, theirs])
        below = [np.searchsorted(values, at, side="right") / len(values) for values in (ours, theirs)]
        return float(np.abs(below[0] - below[1]).max())
    shares = [column.value_counts(normalize=True) for column in (first, second)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def _known(column: pd.Series[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return column.dropna().to_numpy(dtype=np.float64)
