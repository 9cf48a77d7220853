"""The limits of a first contract: those that the very file would break, set to what it has."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from tabular import contract_text as text
from tabular.contract import Contract
from tabular.leakage import single_feature_auc
from tabular.reading import typed


def limits_of(contract: Contract, frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Limits that this very file would break, set to what it has; and what that may mean.

    That on columns which tell a class alone stays: it stops a model that has learnt the answer from the answer.
    """
    rows = typed(contract, frame).rows
    limits, target = contract.checks, rows[contract.target.column]
    found: list[str] = []
    remarks: list[str] = []
    if len(rows) < limits.minimum_rows:
        found.append(f"  minimum_rows: {len(rows)}")
        remarks.append(f"{len(rows)} rows are few: read every figure with its interval")
    share = float(target.value_counts(normalize=True).min())
    if share < limits.minimum_class_share:
        found.append(f"  minimum_class_share: {rounded(share, math.floor):g}")
    twins = float(rows.duplicated(keep=False).mean())
    if twins > limits.maximum_duplicate_share:
        least = f"  maximum_duplicate_share: {min(1.0, rounded(twins, math.ceil)):g}"
        found.append(f"{least}{text.mark('are twins one case, written twice? then remove one of them')}")
        remarks.append(f"{twins:.0%} of the rows have a twin: held-out figures flatter the model")
    alone = {
        name: single_feature_auc(rows[name], target, ranked=feature.is_number)
        for name, feature in contract.features.items()
    }
    telling = [name for name, auc in alone.items() if auc > limits.maximum_single_feature_auc]
    if telling:
        said = ", ".join(f"{name} (AUC {alone[name]:.3f})" for name in telling)
        least = f"  maximum_single_feature_auc: {limits.maximum_single_feature_auc:g}"
        found.append(f"{least}{text.mark('1 if each of the columns below is known before the class is')}")
        remarks.append(
            f"training will refuse {said}: each tells a class alone. Take them out of the contract, or raise"
            " checks.maximum_single_feature_auc if they are known before the class is"
        )
        found += [f"  # {name} alone tells a class (AUC {alone[name]:.3f})" for name in telling]
    return (["", "checks:", *found] if found else []), remarks


def rounded(value: float, how: Any) -> float:
    """To two digits that count, away from what was seen."""
    if value == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    return round(float(how(value * 10.0**digits)) / 10.0**digits, digits)
