"""Split the training site into rows to learn from and rows to test on."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from project.errors import Refused
from tabular.contract import Contract
from tabular.sites import SITE, rows_of


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of all sites by what they may be used for, each with a fresh index."""

    train: pd.DataFrame
    """To learn from."""
    test: pd.DataFrame
    """Of the same site, held out."""
    external: pd.DataFrame
    """Of every other site, with the column `SITE`: only reported."""


def split_sites(contract: Contract, rows: pd.DataFrame, test_share: float, seed: int) -> Parts:
    """Split the training site, stratified and seeded, and set the other sites apart.

    Args:
        contract: Says which site is learnt from.
        rows: Of every site, as `read_sites` gives them.
        test_share: Share of the training site's rows held out, 0 to 1.
        seed: Of the shuffle.

    Raises:
        Refused: As `split_rows`.
    """
    home = rows_of(rows, contract.training_site)
    train, test = split_rows(home, contract.target.column, test_share, seed)
    return Parts(train, test, rows[rows[SITE] != contract.training_site].reset_index(drop=True))


def split_rows(rows: pd.DataFrame, target: str, test_share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A stratified, seeded split.

    Args:
        rows: Typed rows with their target.
        target: Column to keep the shares of.
        test_share: Share of rows held out, 0 to 1.
        seed: Of the shuffle.

    Returns:
        Rows to learn from and rows to test on, each with a fresh index.

    Raises:
        Refused: There are too few rows, or too few of a class, to have some of each on both sides.
    """
    from sklearn.model_selection import train_test_split

    try:
        train, test = train_test_split(
            rows, test_size=test_share, random_state=seed, stratify=rows[target].astype(object)
        )
    except ValueError as error:
        raise Refused(f"{len(rows)} rows can not be split by {target!r}: {error}", "collect more rows") from None
    return train.reset_index(drop=True), test.reset_index(drop=True)
