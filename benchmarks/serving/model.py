"""The one model that every server answers with, and the rows they are asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from project.paths import CONFIGS, ROOT
from project.strict_yaml import read_yaml
from tabular.contract import load_contract
from tabular.reading import read_site
from tabular.splitting import split_rows
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import TrainingConfig

BUNDLE = ROOT / "models" / "heart_disease"
STRENGTH = 0.3
"""The `C` of the reference bundle's logistic regression. Another winner there is noticed: every server's answer to
the bundle's example is compared with the bundle's own."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in the two forms that servers take."""

    names: list[str]
    tensor: list[list[float]]
    """As the model takes them: categories by index."""
    objects: list[dict[str, Any]]
    """As the contract names them: categories by code."""

    def first(self, count: int) -> Rows:
        """The first `count` of these rows."""
        return Rows(self.names, self.tensor[:count], self.objects[:count])

    def numbered(self) -> list[dict[str, float]]:
        """Objects with the numbers of the tensor, for servers that know no codes."""
        return [dict(zip(self.names, row, strict=True)) for row in self.tensor]

    def values(self) -> list[list[float]]:
        """Lists of the contract's values, as numbers."""
        return [[float(value) for value in row.values()] for row in self.objects]


def rows(most: int) -> Rows:
    """The bundle's example, then its background rows over and over.

    Rows with a missing value are left out: not every server takes one.
    """
    contract = json.loads((BUNDLE / "contract.json").read_bytes())
    serving = json.loads((BUNDLE / "serving.json").read_bytes())
    features = contract["features"]
    example = serving["example"]["row"]
    first = [_number(feature, example[feature["name"]]) for feature in features]
    whole = [row for row in serving["background"] if None not in row]
    tensor = [first, *(whole[index % len(whole)] for index in range(most - 1))]
    names = [feature["name"] for feature in features]
    objects = [dict(zip(names, map(_value, features, row), strict=True)) for row in tensor]
    return Rows(names, tensor, objects)


def expected() -> float:
    """The bundle's probability for the first row."""
    serving = json.loads((BUNDLE / "serving.json").read_bytes())
    return float(serving["example"]["probabilities"][1])


def write_training_rows(path: Path) -> None:
    """What `peers/fit.py` needs to fit the bundle's model again."""
    contract, config = load_contract("heart_disease"), read_yaml(CONFIGS / "training.yaml", TrainingConfig)
    site = read_site(contract, "cleveland")
    train, _ = split_rows(site.rows, contract.target.column, config.test_share, config.seed)
    kinds: dict[str, list[int]] = {"number": [], "boolean": [], "category": []}
    for index, feature in enumerate(contract.features.values()):
        kinds["number" if feature.type == "integer" else feature.type].append(index)
    features = list(contract.features.values())
    arrays: dict[str, Any] = {
        "features": to_tensor(contract, train),
        "classes": to_classes(contract, train),
        "codes": [len(features[index].codes) for index in kinds["category"]],
        "C": STRENGTH,
        **kinds,
    }
    np.savez(path, **arrays)


def _number(feature: dict[str, Any], value: Any) -> float:
    return float(feature["codes"].index(value) if feature["codes"] else value)


def _value(feature: dict[str, Any], number: float) -> Any:
    if feature["codes"]:
        return feature["codes"][int(number)]
    match feature["type"]:
        case "boolean":
            return bool(number)
        case "integer":
            return int(number)
    return number
