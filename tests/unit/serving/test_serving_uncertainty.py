"""`/predict?interval=`: sets of classes by the bundle's limits, and what of a row is new to the model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from project.paths import ROOT
from serving.bundle import Model, load
from tests.unit.serving.conftest import Asker, asker

REFERENCE = ROOT / "models/heart_disease"
ROW: dict[str, Any] = json.loads((REFERENCE / "serving.json").read_bytes())["example"]["row"]


@pytest.fixture(scope="module")
def reference() -> Model:
    return load(REFERENCE, "v1", json.loads((REFERENCE / "manifest.json").read_bytes())["digest"])


@pytest.fixture
def ask_reference(reference: Model, tmp_path: Path) -> Asker:
    return asker(reference, tmp_path)


@pytest.mark.parametrize(
    ("limit", "labels"),
    [
        (0.0, ["no disease"]),
        (0.85, ["no disease"]),
        (0.86, ["no disease", "disease"]),
        (1.0, ["no disease", "disease"]),
    ],
)
def test_a_class_is_in_the_set_by_the_limit_of_its_level(
    reference: Model, tmp_path: Path, limit: float, labels: list[str]
) -> None:
    """The example's probability is 0.148, so that of "disease" is let in by limits from 0.852 on."""
    model = dataclasses.replace(reference, serving={**reference.serving, "conformal": {"0.90": limit}})
    answer = asker(model, tmp_path)("/predict?interval=0.9", ROW).json
    assert answer["interval"] == {"level": 0.9, "labels": labels}
    assert answer["novelty"] == {"is_new": False, "fields": []}


def test_it_adds_to_the_answer_and_changes_nothing_else(ask_reference: Asker) -> None:
    headers = {"x-request-id": "r"}
    plain, more = (ask_reference(path, ROW, headers=headers).json for path in ("/predict", "/predict?interval=0.95"))
    assert {name: more[name] for name in plain} == plain
    assert more.keys() - plain.keys() == {"interval", "novelty"}
    assert more["label"] == more["interval"]["labels"][0]


def test_a_list_has_them_row_by_row(ask_reference: Asker) -> None:
    rows = [ROW, {**ROW, "age": 119}, {**ROW, "chol": 700, "trestbps": 61}, {**ROW, "chol": None}]
    answers = ask_reference("/predict?interval=0.50", rows).json
    assert [answer["novelty"] for answer in answers] == [
        {"is_new": False, "fields": []},
        {"is_new": True, "fields": ["age"]},
        {"is_new": True, "fields": ["trestbps", "chol"]},
        {"is_new": False, "fields": []},
    ]
    many = ask_reference("/predict?interval=0.50", rows * 10).json
    assert [answer["novelty"] for answer in many[:4]] == [answer["novelty"] for answer in answers]


def test_codes_that_no_training_row_has_are_new(flowers: Model, tmp_path: Path) -> None:
    known = {"colour": {"codes": ["red", "white"]}, "wild": {"codes": [False]}, "petals": {"minimum": 5, "maximum": 15}}
    serving = {**flowers.serving, "conformal": {"0.90": 0.5}, "covered": known}
    ask = asker(dataclasses.replace(flowers, serving=serving), tmp_path)
    row = {"stem length": 1e9, "petals": 16, "colour": "yellow", "wild": True}
    assert ask("/predict?interval=0.9", row).json["novelty"]["fields"] == ["petals", "colour", "wild"]
    assert not ask("/predict?interval=0.9", {"colour": "red", "wild": False}).json["novelty"]["is_new"]


@pytest.mark.parametrize("given", ["", "1", "0.4", "0.999", "90", "-0.9", "0.9x", "nan", "1e-1", ".9", "0.9 "])
def test_a_level_that_is_none_is_refused(ask_reference: Asker, given: str) -> None:
    refused = ask_reference(f"/predict?interval={given.replace(' ', '%20')}", ROW)
    assert refused.status == 422
    (error,) = refused.json["errors"]
    assert (error["field"], error["value"]) == ("interval", given)
    assert error["allowed"] == "a share from 0.5 to 0.99, of one or two digits"


def test_a_model_that_promises_none_says_so(ask: Asker) -> None:
    refused = ask("/predict?interval=0.9", ROW)
    assert refused.status == 404
    assert "promises no coverage" in refused.json["detail"]


def test_another_query_is_no_business_of_ours(ask: Asker) -> None:
    assert ask("/predict?trace=1", ROW).status == 200
