"""How far two samples of the same rows lie apart by chance: the floor below which a drift means nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

NULL_DRAWS = 40
"""Pairs drawn from the reference: chance alone passes the largest of their distances about once in 40."""


def distance_by_chance(number: bool, reference: pd.Series, rows: int) -> float:
    """The same distances as Evidently's, between two seeded draws with replacement from the reference.

    One as large as the reference, one as the new rows: both are samples, and both add to the noise (the bootstrap
    of a two-sample statistic, Efron and Tibshirani 1993, ch. 16).
    """
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    known = reference.dropna()
    if rows == 0 or known.empty:
        return 0.0
    draw = np.random.default_rng(0)
    if number:
        values = known.to_numpy(dtype=np.float64)
        spread = max(float(values.std()), 0.001)  # Evidently's own floor
        pairs = ((draw.choice(values, len(values)), draw.choice(values, rows)) for _ in range(NULL_DRAWS))
        return max(float(wasserstein_distance(*pair)) / spread for pair in pairs)
    shares = known.value_counts(normalize=True).to_numpy(dtype=np.float64)
    counts = ((draw.multinomial(len(known), shares), draw.multinomial(rows, shares)) for _ in range(NULL_DRAWS))
    return max(float(jensenshannon(*pair)) for pair in counts)  # it divides by the sums itself
