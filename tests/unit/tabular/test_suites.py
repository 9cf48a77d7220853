"""The committed Great Expectations suites: what the contracts generate, loadable by that library, and able to fail."""

from __future__ import annotations

import json
from typing import Any

import great_expectations as gx
import pytest

from tabular.contract import contract_names, load_contract
from tabular.suites import FOLDER, suites, write_suites
from tests.unit.tabular.conftest import make_contract


def test_the_committed_suites_are_those_of_the_contracts() -> None:
    generated = {name: text for each in contract_names() for name, text in suites(load_contract(each)).items()}
    committed = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert sorted(committed) == sorted(generated)
    stale = [name for name in sorted(generated) if committed[name] != generated[name]]
    assert stale == [], "python run.py data expectations --dataset NAME"


def rules_of(suite: dict[str, Any]) -> set[tuple[str, str]]:
    return {(each["kwargs"].get("column", ""), each["type"]) for each in suite["expectations"]}


def test_a_site_that_is_learnt_from_is_asked_for_more() -> None:
    train, external = (json.loads(text) for text in suites(load_contract("heart_disease")).values())
    assert (len(train["expectations"]), len(external["expectations"])) == (55, 28)
    assert rules_of(external) < rules_of(train)
    (age,) = [e for e in train["expectations"] if e["type"] == "expect_column_values_to_be_between"
              and e["kwargs"]["column"] == "age"]  # fmt: skip
    assert (age["kwargs"]["min_value"], age["kwargs"]["max_value"]) == (0, 120)
    assert age["meta"] == {"column": "age", "rule": "out of range", "allowed": "a number from 0 to 120"}


def test_great_expectations_loads_them(tmp_path: Any) -> None:
    (path, _) = write_suites(make_contract(), tmp_path)
    stored = json.loads(path.read_bytes())
    loaded = gx.ExpectationSuite(name=stored["name"], expectations=stored["expectations"])
    assert len(loaded.expectations) == len(stored["expectations"])
    assert path.name == "pets.train.json"


@pytest.mark.parametrize(
    "changes", [{"checks": {"minimum_rows": 7}}, {"sites": {"here": {"role": "train", "path": "x"}}}]
)
def test_another_contract_is_another_suite(changes: dict[str, Any]) -> None:
    assert suites(make_contract(**changes)) != suites(make_contract())
