"""What changed in a contract, and whether it is stricter."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from project.errors import Refused
from tabular.bundle import Bundle, to_json
from tabular.contract import served_contract
from tabular.contract_changes import Change, contract_changes, refuse_other_columns
from tests.unit.tabular.conftest import SMALL, make_contract

MORE = [*make_contract().reading.missing, "?"]


def changed(**features: dict[str, Any] | None) -> list[Change]:
    """Changes after some features have got other entries, or were taken away."""
    found = copy.deepcopy(SMALL["features"])
    for name, entries in features.items():
        if entries is None:
            del found[name]
        else:
            found[name] = {**found.get(name, {}), **entries}
    return contract_changes(make_contract(), make_contract(features=found))


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"weight": {"maximum": 80}}, [("features.weight.maximum", 90, 80, True)], id="less room"),
        pytest.param({"weight": {"maximum": 99}}, [("features.weight.maximum", 90, 99, False)], id="more room"),
        pytest.param({"weight": {"minimum": 1}}, [("features.weight.minimum", 0, 1, True)], id="a higher minimum"),
        pytest.param({"weight": {"unit": "g"}}, [("features.weight.unit", "kg", "g", False)], id="words"),
        pytest.param(
            {"indoor": {"nullable": False}}, [("features.indoor.nullable", None, False, True)], id="asked for"
        ),
        pytest.param({"colour": {"nullable": True}}, [("features.colour.nullable", False, None, False)], id="may lack"),
        pytest.param(
            {"weight": {"missing": []}}, [("features.weight.missing", [0], None, True)], id="a code that counts"
        ),
        pytest.param(
            {"weight": {"missing": [0, 1], "nullable": False}},
            [("features.weight.missing", [0], [0, 1], True), ("features.weight.nullable", None, False, True)],
            id="one more code where a value is asked for",
        ),
        pytest.param(
            {"weight": {"missing": [0, 1]}}, [("features.weight.missing", [0], [0, 1], False)], id="one more code"
        ),
        pytest.param(
            {"colour": {"values": ["black", "white"]}},
            [("features.colour.values", ["black", "white", "red"], ["black", "white"], True)],
            id="a code less",
        ),
        pytest.param({"indoor": None}, [("features.indoor.type", "boolean", None, True)], id="a column less"),
        pytest.param(
            {"tail": {"type": "boolean"}}, [("features.tail.type", None, "boolean", True)], id="a column more"
        ),
    ],
)
def test_features(features: dict[str, Any], expected: list[tuple[str, object, object, bool]]) -> None:
    assert [(c.entry, c.before, c.after, c.stricter) for c in changed(**features)] == expected


@pytest.mark.parametrize(
    ("checks", "stricter"),
    [
        ({"minimum_rows": 60}, True),
        ({"minimum_rows": 40}, False),
        ({"maximum_missing_share": 0.4}, True),
        ({"maximum_missing_share": 0.6}, False),
    ],
)
def test_limits(checks: dict[str, float], stricter: bool) -> None:
    (change,) = contract_changes(make_contract(), make_contract(checks=checks))
    assert (change.entry, change.before, change.stricter) == (f"checks.{next(iter(checks))}", None, stricter)


def test_a_class_that_is_gone_is_stricter() -> None:
    target = copy.deepcopy(SMALL["target"])
    target["classes"][1]["values"] = ["hound"]
    (change,) = contract_changes(make_contract(), make_contract(target=target))
    assert (change.entry, change.stricter) == ("target.classes", True)


def test_another_column_of_the_target_is_stricter() -> None:
    (change,) = contract_changes(make_contract(), make_contract(target={**SMALL["target"], "column": "other"}))
    assert (change.entry, change.stricter) == ("target.column", True)


@pytest.mark.parametrize(
    ("entries", "stricter"),
    [({"delimiter": ";"}, True), ({"encoding": "cp1252"}, True), ({"missing": [""]}, True), ({"missing": MORE}, False)],
    ids=["delimiter", "encoding", "a sign less", "a sign more"],
)
def test_reading(entries: dict[str, object], stricter: bool) -> None:
    (change,) = contract_changes(make_contract(), make_contract(reading=entries))
    assert (change.entry, change.stricter) == (f"reading.{next(iter(entries))}", stricter)


def test_a_line_says_from_what_to_what() -> None:
    (change,) = changed(weight={"maximum": 80})
    assert str(change).split() == ["features.weight.maximum", "90.0", "->", "80.0", "stricter"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"fur": {"type": "boolean"}}, "fur is new", id="new"),
        pytest.param({"litter": {"type": "number"}}, "litter has become number", id="another type"),
    ],
)
def test_columns_that_a_champion_does_not_know_are_refused(changes: dict[str, Any], reason: str) -> None:
    champion = Bundle({"contract.json": to_json(served_contract(make_contract()))}, {}, "", {})
    wider = {**SMALL["features"], "coat": {"type": "category", "values": [1, 2, 3]}}
    refuse_other_columns(make_contract(features=wider), champion)
    with pytest.raises(Refused) as refusal:
        refuse_other_columns(make_contract(features={**wider, **changes}), champion)
    assert refusal.value.cause == f"the contract of pets has changed since {champion.digest[:12]} was trained: {reason}"
    assert refusal.value.next_step == "python run.py train --dataset pets"
