"""Split the training site into rows to learn from and rows to test on."""

from __future__ import annotations

import pandas as pd


def split_rows(rows: pd.DataFrame, target: str, test_share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A stratified, seeded split.

    Args:
        rows: Typed rows with their target.
        target: Column to keep the shares of.
        test_share: Share of rows held out, 0 to 1.
        seed: Of the shuffle.

    Returns:
        Rows to learn from and rows to test on, each with a fresh index.
    """
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(rows, test_size=test_share, random_state=seed, stratify=rows[target].astype(object))
    return train.reset_index(drop=True), test.reset_index(drop=True)
