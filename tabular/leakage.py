"""Leakage smell: how well one column alone ranks the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def single_feature_auc(feature: pd.Series[Any], target: pd.Series[Any], ranked: bool) -> float:
    """The best one-vs-rest area under the ROC curve that a column reaches by itself.

    Numbers are ranked as they are, in the better direction; categories and booleans by the share of the class
    among their rows, the best order there is. A missing value is ranked too, since a value that was only
    written down for one class tells the class: below all numbers or above all, or as a category of its own.

    Args:
        feature: Typed values, shape (rows,).
        target: Class labels, shape (rows,); rows without one are left out.
        ranked: Whether the values are numbers rather than categories.

    Returns:
        Between 0.5 (tells nothing) and 1 (tells a class by itself); 0.5 where there is only one class.
    """
    known = target.notna().to_numpy()
    labels = target[known].to_numpy()
    values = feature[known]
    best = 0.5
    for label in pd.unique(labels):
        positive = labels == label
        if positive.all():
            continue
        if not ranked:
            codes, _ = pd.factorize(values, use_na_sentinel=False)
            share = np.bincount(codes, weights=positive) / np.bincount(codes)
            best = max(best, _auc(share[codes], positive))
            continue
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        for missing in (-np.inf, np.inf):
            auc = _auc(np.where(np.isnan(numbers), missing, numbers), positive)
            best = max(best, auc, 1 - auc)
    return best


def _auc(score: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_]) -> float:
    """Mann-Whitney: the share of (positive, other) pairs in which the positive scores higher; ties count half."""
    ranks = pd.Series(score).rank().to_numpy()
    count, others = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * others))
