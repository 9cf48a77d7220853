"""Split the training site into rows to learn from and rows to test on."""

from __future__ import annotations

import pandas as pd

from project.errors import Refused


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
