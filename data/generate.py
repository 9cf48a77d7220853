"""Generate a table of any size: payments, one in a hundred of them a fraud.

    python data/generate.py payments.parquet --rows 500000

The same seed and number of rows give the same table with the same numpy. What is a fraud follows a logistic rule that
`logit` states, so that the best model there can be is known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

COUNTRIES, SHOPS = ("AT", "BE", "DE", "ES", "FR", "IT", "NL", "PL"), ("clothes", "food", "fuel", "games", "travel")
SHARE = 0.01
"""Of frauds among the rows."""


def payments(rows: int, seed: int = 7) -> pd.DataFrame:
    """A table of payments with the column `fraud`, 1 for a fraud.

    Numbers, whole numbers, booleans, texts and missing values; exactly `SHARE` of the rows are frauds.

    Args:
        rows: How many, at least 100.
        seed: Of everything that is drawn.
    """
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "amount": draw.lognormal(3.5, 1.0, rows).round(2),
            "hour": draw.integers(0, 24, rows),
            "account_days": draw.integers(1, 4000, rows),
            "payments_today": draw.poisson(2.0, rows),
            "distance_km": draw.exponential(40.0, rows).round(1),
            "device_score": draw.normal(0.0, 1.0, rows).round(4),
            "online": draw.random(rows) < 0.6,
            "country": draw.choice(COUNTRIES, rows),
            "shop": draw.choice(SHOPS, rows),
        }
    )
    chance = logit(table) + draw.logistic(0.0, 1.0, rows)
    frauds = np.argsort(-chance, kind="stable")[: max(1, round(SHARE * rows))]
    table["fraud"] = np.isin(np.arange(rows), frauds).astype(int)
    table.loc[draw.random(rows) < 0.05, "distance_km"] = np.nan
    return table


def logit(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Log odds of a fraud, up to a constant; shape (rows,)."""
    score = (
        1.2 * (np.log1p(table["amount"]) - 3.5)
        + 0.02 * table["distance_km"]
        - 2.0 * table["device_score"]
        + 0.5 * table["payments_today"]
        - 0.0005 * table["account_days"]
        + 0.8 * table["online"]
        + 0.9 * (table["shop"] == "games")
        + 0.7 * table["hour"].isin([0, 1, 2, 3, 4])
    )
    return np.asarray(score, dtype=np.float64)


def main() -> None:
    """Write a table to a CSV or Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="CSV, or Parquet by the name's ending")
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    table = payments(options.rows, options.seed)
    if options.file.suffix == ".parquet":
        table.to_parquet(options.file, index=False)
    else:
        table.to_csv(options.file, index=False)


if __name__ == "__main__":
    main()
