"""A card's figures are measured anew from the bundle and the rows; docs/model-card.md is what that makes."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from project.errors import Refused
from project.paths import ROOT
from tabular.bundle import Bundle, read_bundle, to_json
from tabular.card_check import differences, measured_again
from tabular.full_card import full_card
from tabular.training_config import TrainingConfig
from tests.unit.tabular.conftest import Data

FOLDER = "models/heart_disease"
WRITE = f".venv/bin/python run.py status --card {FOLDER} > docs/model-card.md"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return read_bundle(ROOT / FOLDER)


@pytest.fixture(scope="module")
def found(heart: Data, bundle: Bundle, config: TrainingConfig) -> dict[str, Any]:
    return measured_again(heart.contract, bundle, config)


def test_the_reference_bundle_measures_as_it_says(bundle: Bundle, found: dict[str, Any]) -> None:
    assert list(differences(bundle.json("metrics.json"), found)) == []


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the last digit is promised per architecture")
def test_the_card_of_the_documents_is_the_one_measured(heart: Data, bundle: Bundle, found: dict[str, Any]) -> None:
    committed = Path(ROOT, "docs/model-card.md").read_text(encoding="utf-8")
    assert full_card(heart.contract, bundle, FOLDER, found) == committed, WRITE
    assert full_card(heart.contract, bundle, FOLDER) == committed, WRITE


@pytest.mark.parametrize(
    ("stated", "found", "said"),
    [
        pytest.param({"a": 1.0, "b": [1, None]}, {"a": 1.00009, "b": [1, None]}, [], id="within the tolerance"),
        pytest.param({"a": {"b": 0.5}}, {"a": {"b": 0.52}}, ["a / b: 0.5 in the card, 0.52 now"], id="another figure"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, ["a: [1, 2] in the card, [1] now"], id="fewer of them"),
        pytest.param({}, {"a": 1}, ["a: None in the card, 1 now"], id="one more"),
        pytest.param({"a": "x"}, {"a": "y"}, ["a: x in the card, y now"], id="words"),
        pytest.param({"a": None}, {"a": 0.0}, ["a: None in the card, 0.0 now"], id="none and nought"),
    ],
)
def test_differences(stated: object, found: object, said: list[str]) -> None:
    assert list(differences(stated, found)) == said


def test_a_model_of_another_contract_is_not_measured(heart: Data, bundle: Bundle, config: TrainingConfig) -> None:
    other = heart.contract.model_copy(update={"title": "Other"})
    with pytest.raises(Refused, match="the contract of heart_disease has changed since this model was made"):
        measured_again(other, bundle, config)


def test_nor_is_one_of_other_rows(heart: Data, bundle: Bundle, config: TrainingConfig) -> None:
    with pytest.raises(Refused, match=r"have sha256 686b83fe9fdf, this model was made from 0000"):
        measured_again(heart.contract, replace(bundle, data_sha256="0" * 64), config)


def test_a_model_of_another_data_set_or_of_no_labels_is_not_measured(
    heart: Data, penguins: Data, bundle: Bundle, config: TrainingConfig
) -> None:
    with pytest.raises(Refused, match="this model is of heart_disease, not of penguins"):
        measured_again(penguins.contract, bundle, config)
    figures = {"adaptation": {}, "threshold": 0.3}
    adapted = replace(bundle, content={**bundle.content, "metrics.json": to_json(figures)})
    with pytest.raises(Refused, match="adapted to a site without its labels"):
        measured_again(heart.contract, adapted, config)


def test_a_figure_that_was_changed_is_named(heart: Data, bundle: Bundle, config: TrainingConfig) -> None:
    metrics = bundle.json("metrics.json")
    metrics["test"]["metrics"]["roc_auc"] = 0.99
    flattered = replace(bundle, content={**bundle.content, "metrics.json": to_json(metrics)})
    said = list(differences(metrics, measured_again(heart.contract, flattered, config)))
    assert said == ["test / metrics / roc_auc: 0.99 in the card, 0.874459 now"]
