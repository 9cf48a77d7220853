"""The champion on the rows that a challenger is measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabular.bundle import Bundle
from tabular.contract import Contract, served_contract
from tabular.evaluation import losses
from tabular.metrics import Floats


@dataclass(frozen=True, slots=True)
class Champion:
    """The champion on held-out rows."""

    loss: Floats | None
    """Log loss of each row, (rows,); None where it was made from other columns or classes."""


def champion_on(contract: Contract, champion: Bundle | None, rows: pd.DataFrame) -> Champion | None:
    """Measure the champion, if there is one, on the rows that its challenger is measured on."""
    if champion is None:
        return None
    if _inputs(champion.json("contract.json")) != _inputs(served_contract(contract)):
        return Champion(loss=None)
    return Champion(losses(contract, champion.content["model.onnx"], rows))


def _inputs(served: Mapping[str, Any]) -> object:
    return served["classes"], [(f["name"], f["type"], f["codes"]) for f in served["features"]]
