"""Every rule of a contract, refused with file, line and what would be right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from project.errors import ConfigError, Exit
from project.paths import CONTRACTS
from tabular.contract import Contract, contract_names, load_contract, served_contract
from tests.unit.tabular.conftest import SMALL, make_contract

PETS = """\
name: pets
title: Pets
source: {page: none, licence: CC0, citation: none}
reading:
  header: false
  columns: [weight, coat, indoor, kind]
target:
  column: kind
  positive: cat
  classes:
    - {label: dog, values: [d]}
    - {label: cat, values: [c]}
features:
  weight: {type: number, minimum: 0, maximum: 90, missing: [0]}
  coat:
    type: category
    values: [{code: 1, label: short}, {code: 2, label: long}]
  indoor: {type: boolean}
sites:
  here: {role: train, path: here.csv}
segments:
  weight: {feature: weight, edges: [4, 10]}
behaviour:
  directions:
    - {feature: weight, step: 1, risk: falls, source: everyone}
    - {feature: coat, from_code: 1, to_code: 2, risk: rises, source: everyone}
  invariances:
    - {feature: weight, within: 0.1, tolerance: 0.05}
  cases:
    - name: a heavy one
      row: {weight: 40, coat: 1, indoor: false}
      label: dog
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pets.yaml").write_text(PETS)
    return tmp_path


def test_the_contract_as_written(folder: Path) -> None:
    contract = load_contract("pets", folder)
    assert (contract.task, contract.training_site, contract.external_sites) == ("binary", "here", [])
    assert contract.target.labels == ["dog", "cat"]
    assert contract.features["coat"].codes == [1, 2]
    assert contract.features["coat"].labels == ["short", "long"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        pytest.param("title: Pets", "", 1, "'title' is missing", id="no title"),
        pytest.param(
            "name: pets", "name: Pets", 1, "'name' is 'Pets', expected text of the form ^[a-z]", id="a name in capitals"
        ),
        pytest.param("name: pets", "name: dogs", 1, "name is 'dogs', the file says 'pets'", id="another file's name"),
        pytest.param("column: kind", "column: coat", 8, "the target 'coat' is also a feature", id="target and feature"),
        pytest.param(
            "column: kind",
            "column: kinds",
            8,
            "'kinds' is not in 'reading.columns'; did you mean 'kind'?",
            id="target not in the file",
        ),
        pytest.param(
            "  indoor:",
            "  indor:",
            18,
            "'indor' is not in 'reading.columns'; did you mean 'indoor'?",
            id="feature not in the file",
        ),
        pytest.param("  indoor:", "  _indoor:", 18, "'_indoor' can not name a column", id="a name of the project's"),
        pytest.param(
            "  indoor:", "  'in\\door':", 18, "can not name a feature: it has a quotation mark", id="backslash"
        ),
        pytest.param(
            "columns: [weight,", "columns: [kind,", 4, "reading: column 'kind' is listed twice", id="column twice"
        ),
        pytest.param(
            "  columns: [weight, coat, indoor, kind]\n", "", 4, "reading: a file without header", id="no names"
        ),
        pytest.param("header: false", "header: true", 4, "reading: 'columns' is for a CSV file", id="names twice told"),
        pytest.param("values: [d]", "values: [c]", 7, "target: value 'c' stands in two classes", id="value twice"),
        pytest.param(
            "label: dog, v", "label: cat, v", 7, "target: label 'cat' stands in two classes", id="label twice"
        ),
        pytest.param(
            "positive: cat",
            "positive: cats",
            7,
            "target: 'positive' is 'cats'; did you mean 'cat'?",
            id="no such class",
        ),
        pytest.param("  positive: cat\n", "", 7, "needs 'positive', one of: dog, cat", id="no positive"),
        pytest.param("    - {label: dog, values: [d]}\n", "", 10, "'target.classes' is", id="one class"),
        pytest.param(
            "  positive: cat\n  classes:\n    - {label: dog, values: [d]}\n    - {label: cat, values: [c]}\n",
            "  type: number\n",
            7,
            "target: a target needs 'classes', two or more: a quantity is not predicted here",
            id="a quantity",
        ),
        pytest.param(
            "values: [c]}",
            "values: [c]}\n    - {label: cow, values: [x]}",
            7,
            "'positive' is for a target of two classes",
            id="positive of three",
        ),
        pytest.param(
            "weight: {type: number,",
            "weight: {type: numbr,",
            14,
            "'features.weight.type' is 'numbr'; did you mean 'number'?",
            id="unknown type",
        ),
        pytest.param("minimum: 0,", "minimum: 91,", 14, "features.weight: minimum 91 is above maximum 90", id="range"),
        pytest.param(
            "minimum: 0,",
            "minimum: .nan,",
            14,
            "'features.weight.minimum' is .nan, expected a finite number",
            id="not a number",
        ),
        pytest.param(
            "missing: [0]",
            "values: [0]",
            14,
            "'values' is for categories, not for type 'number'",
            id="codes of a number",
        ),
        pytest.param("{code: 2,", "{code: 1,", 15, "features.coat: 'values' lists a code twice", id="code twice"),
        pytest.param("{code: 2,", "{code: b,", 15, "'values' mixes numbers and strings", id="mixed codes"),
        pytest.param(
            "    type: category\n", "    type: category\n    maximum: 3\n", 15, "are for numbers", id="code range"
        ),
        pytest.param(
            "    values: [{code: 1, label: short}, {code: 2, label: long}]\n",
            "",
            15,
            "features.coat: a category needs 'values'",
            id="no codes",
        ),
        pytest.param(
            "role: train", "role: external", 19, "exactly one site has role 'train', found 0", id="no training"
        ),
        pytest.param(
            "path: here.csv}",
            "path: here.csv}\n  there: {role: train, path: there.csv}",
            19,
            "exactly one site has role 'train', found 2: here, there",
            id="two training sites",
        ),
        pytest.param(
            "path: here.csv", "path: here.csv, sha256: abc", 20, "'sites.here.sha256' is 'abc'", id="half a checksum"
        ),
        pytest.param(
            "feature: weight, edges",
            "feature: wight, edges",
            22,
            "'wight' is not a feature; did you mean 'weight'?",
            id="segment",
        ),
        pytest.param("edges: [4, 10]", "edges: [10, 4]", 22, "the edges must rise", id="falling edges"),
        pytest.param("edges: [4, 10]", "edges: [4, 4]", 22, "the edges must rise", id="equal edges"),
        pytest.param(", edges: [4, 10]", "", 22, "edges cut a number", id="a number without edges"),
        pytest.param("feature: weight, edges", "feature: coat, edges", 22, "edges cut a number", id="edges of codes"),
        pytest.param(
            "{feature: weight, step",
            "{feature: wight, step",
            25,
            "'wight' is not a feature; did you mean 'weight'?",
            id="direction",
        ),
        pytest.param("{feature: weight, step", "{feature: coat, step", 25, "'coat' is a category", id="step of a code"),
        pytest.param("step: 1,", "step: 0,", 25, "the move leads nowhere", id="a step of nothing"),
        pytest.param("step: 1,", "step: 1, from_code: 1,", 25, "give either 'step'", id="step and code"),
        pytest.param("from_code: 1, ", "", 26, "give either 'step'", id="half a move"),
        pytest.param("to_code: 2", "to_code: 1", 26, "the move leads nowhere", id="from a code to itself"),
        pytest.param("to_code: 2", "to_code: 3", 26, "3 is no code of 'coat'; allowed: 1, 2", id="an unknown code"),
        pytest.param(
            "step: 1,", "step: 1, label: dgo,", 25, "'dgo' is no class; did you mean 'dog'?", id="class of a direction"
        ),
        pytest.param(
            "{feature: weight, within",
            "{feature: indoor, within",
            28,
            "'indoor' is a boolean",
            id="within of a boolean",
        ),
        pytest.param(
            "{feature: weight, within", "{feature: wieght, within", 28, "'wieght' is not a feature", id="invariance"
        ),
        pytest.param("within: 0.1", "within: 0", 28, "'behaviour.invariances.0.within' is 0", id="within nothing"),
        pytest.param("tolerance: 0.05", "tolerance: -1", 28, "'behaviour.invariances.0.tolerance'", id="tolerance"),
        pytest.param("row: {weight:", "row: {wight:", 31, "'wight' is not a feature; did you mean", id="a case's cell"),
        pytest.param(
            "weight: 40", "weight: 400", 31, "'weight' is 400, allowed: a number from 0 to 90", id="case, range"
        ),
        pytest.param("coat: 1, i", "coat: 3, i", 31, "'coat' is 3, allowed: one of 1, 2", id="case, code"),
        pytest.param(
            "indoor: false", "indoor: maybe", 31, "'indoor' is 'maybe', allowed: true or false", id="case, type"
        ),
        pytest.param("label: dog\n", "label: dgo\n", 32, "'dgo' is no class; did you mean 'dog'?", id="a case's class"),
    ],
)
def test_each_rule(folder: Path, old: str, new: str, line: int, message: str) -> None:
    assert old in PETS
    (folder / "pets.yaml").write_text(PETS.replace(old, new, 1))
    with pytest.raises(ConfigError) as refusal:
        load_contract("pets", folder)
    assert refusal.value.exit_code is Exit.USAGE
    assert refusal.value.cause.startswith(f"{folder / 'pets.yaml'}:{line}: ")
    assert message in refusal.value.cause


def test_a_case_may_leave_a_value_out_or_say_not_measured(folder: Path) -> None:
    (folder / "pets.yaml").write_text(PETS.replace("weight: 40, coat: 1", "weight: 0, coat: null"))
    assert load_contract("pets", folder).behaviour.cases[0].row == {"weight": 0, "coat": None, "indoor": False}


def test_three_classes_need_the_class_of_a_direction() -> None:
    target = {"column": "kind", "classes": [{"label": name, "values": [name]} for name in ("ant", "bee", "cow")]}
    direction = {"feature": "weight", "step": 1, "risk": "rises", "source": "none"}
    make_contract(target=target, behaviour={"directions": [{**direction, "label": "cow"}]})
    with pytest.raises(ValueError, match="a target of more than two classes needs 'label'"):
        make_contract(target=target, behaviour={"directions": [direction]})


def test_every_disagreement_is_counted(folder: Path) -> None:
    text = PETS.replace("label: dog\n", "label: dgo\n").replace("edges: [4, 10]", "edges: [10, 4]")
    (folder / "pets.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r":22: segments.weight.edges: the edges must rise \(and 1 more\)"):
        load_contract("pets", folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "pets.yaml is empty, expected a mapping", id="empty"),
        pytest.param("# nothing\n", "pets.yaml is empty, expected a mapping", id="a comment alone"),
        pytest.param("{}", "pets.yaml:1: 'name' is missing (and 5 more)", id="no key"),
        pytest.param("- name: pets\n", "pets.yaml is a list, expected a mapping", id="a list"),
    ],
)
def test_an_empty_contract(folder: Path, text: str, message: str) -> None:
    (folder / "pets.yaml").write_text(text)
    with pytest.raises(ConfigError) as refusal:
        load_contract("pets", folder)
    assert message in refusal.value.cause


def test_a_contract_that_is_not_there(folder: Path) -> None:
    shutil.copy(CONTRACTS / "heart_disease.yaml", folder)
    with pytest.raises(ConfigError) as refusal:
        load_contract("hart_disease", folder)
    assert str(refusal.value) == (
        "data set 'hart_disease' has no contract; did you mean 'heart_disease'?."
        " Next: python run.py data init FILE.csv --target COLUMN"
    )
    assert contract_names(folder) == ["heart_disease", "pets"]


@pytest.mark.parametrize("name", ["", "..", "../pets", "sub/pets", "pets\n", "pets_", "p" * 300])
def test_a_name_that_leads_elsewhere_is_none(folder: Path, name: str) -> None:
    (folder / "sub").mkdir()
    shutil.copy(folder / "pets.yaml", folder / "sub")
    shutil.copy(folder / "pets.yaml", folder / "pets_.yaml")  # no endpoint on Kubernetes may end so
    with pytest.raises(ConfigError, match="has no contract; "):
        load_contract(name, folder / "sub" if name == "../pets" else folder)


@pytest.mark.parametrize("name", contract_names())
def test_a_contract_survives_json(name: str) -> None:
    """Pipelines hand contracts to their steps as JSON."""
    contract = load_contract(name)
    assert Contract.model_validate_json(contract.model_dump_json()) == contract


def test_what_a_server_must_know() -> None:
    contract = make_contract()
    served: Any = served_contract(contract)
    assert [served[key] for key in ("name", "task", "target", "classes", "positive")] == [
        "pets",
        "binary",
        "kind",
        ["dog", "cat"],
        "cat",
    ]
    assert [feature["name"] for feature in served["features"]] == list(SMALL["features"])
    assert served["features"][3] == {
        "name": "coat",
        "type": "category",
        "description": "",
        "unit": "",
        "minimum": None,
        "maximum": None,
        "codes": [1, 2],
        "labels": ["short", "long"],
        "missing": [],
        "nullable": True,
    }
    assert served["features"][4]["labels"] == ["black", "white", "red"]


def test_the_shipped_contracts_are_as_their_files_say() -> None:
    for name in contract_names():
        raw = yaml.safe_load((CONTRACTS / f"{name}.yaml").read_text(encoding="utf-8"))
        contract = load_contract(name)
        assert list(contract.features) == list(raw["features"])
        assert {site: found.sha256 for site, found in contract.sites.items()} == {
            site: given["sha256"] for site, given in raw["sites"].items()
        }
