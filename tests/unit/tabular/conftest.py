"""The shipped data sets as the pipelines read them, and a small contract to vary."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import settings

from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular.candidates import Parameters
from tabular.choosing import Choice
from tabular.contract import Contract, load_contract
from tabular.metrics import Classes
from tabular.packaging import Packaged, package
from tabular.reading import read_site
from tabular.scoring import Scored, score_candidate
from tabular.splitting import split_rows
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import Family, TrainingConfig, Validation

settings.register_profile("project", derandomize=True, database=None, deadline=None)
settings.load_profile("project")

SMALL: dict[str, Any] = {
    "name": "pets",
    "title": "Pets",
    "source": {"page": "none", "licence": "CC0", "citation": "none"},
    "target": {
        "column": "kind",
        "positive": "cat",
        "classes": [{"label": "cat", "values": ["c"]}, {"label": "dog", "values": ["d"]}],
    },
    "features": {
        "weight": {"type": "number", "unit": "kg", "minimum": 0, "maximum": 90, "missing": [0]},
        "litter": {"type": "integer", "minimum": 1, "maximum": 12},
        "indoor": {"type": "boolean"},
        "coat": {"type": "category", "values": [{"code": 1, "label": "short"}, {"code": 2, "label": "long"}]},
        "colour": {"type": "category", "values": ["black", "white", "red"], "nullable": False},
    },
    "sites": {"here": {"role": "train", "path": "here.csv"}, "there": {"role": "external", "path": "there.csv"}},
}
"""One feature of each kind; the positive class stands first in the file and last among the labels."""


@dataclass(frozen=True)
class Data:
    """A data set, split as the training pipeline splits it."""

    contract: Contract
    sites: dict[str, pd.DataFrame]
    train: pd.DataFrame
    test: pd.DataFrame

    @property
    def features(self) -> npt.NDArray[Any]:
        return to_tensor(self.contract, self.train)

    @property
    def truth(self) -> Classes:
        return to_classes(self.contract, self.train)

    @property
    def external(self) -> dict[str, pd.DataFrame]:
        return {site: self.sites[site] for site in self.contract.external_sites}


def load(name: str) -> Data:
    contract = load_contract(name)
    sites = {site: read_site(contract, site).rows for site in contract.sites}
    train, test = split_rows(sites[contract.training_site], contract.target.column, 0.2, 7)
    return Data(contract, sites, train, test)


@pytest.fixture(scope="session")
def heart() -> Data:
    return load("heart_disease")


@pytest.fixture(scope="session")
def penguins() -> Data:
    return load("penguins")


@pytest.fixture(scope="session")
def config() -> TrainingConfig:
    return read_yaml(CONFIGS / "training.yaml", TrainingConfig)


@pytest.fixture
def pets(tmp_path: Path) -> Contract:
    """The small contract, its sites in `tmp_path`."""
    return make_contract(
        sites={
            "here": {"role": "train", "path": str(tmp_path / "here.csv")},
            "there": {"role": "external", "path": str(tmp_path / "there.csv")},
        }
    )


def make_contract(**changes: Any) -> Contract:
    return Contract.model_validate({**SMALL, **changes})


def score(
    data: Data, config: TrainingConfig, family: Family, parameters: Parameters, folds: int = 3, jobs: int = 1
) -> Scored:
    """A candidate with one point to try."""
    candidate = next(each for each in config.candidates.values() if each.family == family)
    return score_candidate(
        data.contract, data.features, data.truth, family, candidate, {k: [v] for k, v in parameters.items()},
        Validation(folds=folds, repeats=1), "log_loss", 7, jobs,
    )  # fmt: skip


@pytest.fixture(scope="session")
def heart_scored(heart: Data, config: TrainingConfig) -> Scored:
    return score(heart, config, "logistic", {"C": 0.3})


@pytest.fixture(scope="session")
def heart_packaged(heart: Data, heart_scored: Scored) -> Packaged:
    return packaged(heart, heart_scored, 0.33)


@pytest.fixture(scope="session")
def penguins_packaged(penguins: Data, config: TrainingConfig) -> Packaged:
    return packaged(penguins, score(penguins, config, "logistic", {"C": 1}), None)


def packaged(data: Data, chosen: Scored, threshold: float | None) -> Packaged:
    return package(
        data.contract,
        Choice(chosen, threshold, [chosen]),
        data.train,
        data.test,
        data.external,
        data_sha256="0" * 64,
        seed=7,
    )


def peak_memory(call: Callable[[], object]) -> int:
    """Bytes that a call holds at most, arrays of numpy included."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the lines of a site's file."""

    def lines(*text: str, name: str = "here.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(text) + "\n", encoding=encoding)
        return path

    return lines
