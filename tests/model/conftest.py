"""The models of `--quick`, trained here as the pipeline trains them, without its stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import pandas as pd
import pytest
from pydantic import Field

from project.paths import CONFIGS
from project.strict_yaml import Strict, read_yaml
from tabular.bundle import Bundle, sha256
from tabular.choosing import Choice, make_choice
from tabular.contract import Contract, load_contract
from tabular.packaging import package
from tabular.reading import read_site
from tabular.scoring import score_candidate
from tabular.splitting import split_rows
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import TrainingConfig

Share = Annotated[float, Field(ge=0, le=1)]


class Floors(Strict):
    """What the model of one data set may not fall below, on rows that are frozen by their hash."""

    test_rows_sha256: str
    metrics: dict[str, float]
    """Least value on the held-out rows; of a loss the largest."""
    segment_roc_auc: dict[str, Share]
    """Least AUC of each segment that is large enough to have one; each must be listed."""
    coverage: Share
    """Least share of held-out rows whose 90 % prediction set holds the true class."""


class AllFloors(Strict):
    """`floors.yaml`."""

    floors: dict[str, Floors]


@dataclass(frozen=True, slots=True)
class Trained:
    """A packaged model and the rows it is judged on."""

    contract: Contract
    choice: Choice
    bundle: Bundle
    train: pd.DataFrame
    test: pd.DataFrame
    external: dict[str, pd.DataFrame]

    @property
    def onnx(self) -> bytes:
        return self.bundle.content["model.onnx"]

    @property
    def threshold(self) -> float | None:
        return self.choice.threshold

    @property
    def test_rows_sha256(self) -> str:
        return sha256(self.test.to_csv(index=False).encode())


@cache
def trained(name: str, jobs: int) -> Trained:
    """Split, score, choose and package as `run.py train --quick` does."""
    config, contract = read_yaml(CONFIGS / "training.yaml", TrainingConfig), load_contract(name)
    sites = {site: read_site(contract, site).rows for site in contract.sites}
    train, test = split_rows(sites[contract.training_site], contract.target.column, config.test_share, config.seed)
    features, truth = to_tensor(contract, train), to_classes(contract, train)
    scores = [
        score_candidate(
            contract, features, truth, each, candidate, space, config.validation("quick"),
            config.selection_metric, config.seed, jobs,
        )
        for each, candidate, space in config.taking_part("quick")
    ]  # fmt: skip
    choice = make_choice(scores, truth, config.selection_metric, config.cost)
    external = {site: sites[site] for site in contract.external_sites}
    made = package(contract, choice, train, test, external, "0" * 64, config.seed)
    return Trained(contract, choice, made.bundle, train, test, external)


@pytest.fixture(params=["heart_disease", "penguins"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(name: str) -> Trained:
    return trained(name, 1)


@pytest.fixture(scope="session")
def train_with() -> Callable[[str, int], Trained]:
    return trained


@pytest.fixture
def floors(name: str) -> Floors:
    return read_yaml(Path(__file__).with_name("floors.yaml"), AllFloors).floors[name]
