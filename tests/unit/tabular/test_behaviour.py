"""Behaviour tests of a contract on models whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from tabular.behaviour import Observation, observe
from tabular.contract import Contract
from tabular.export import predict
from tabular.metrics import Floats
from tabular.packaging import Packaged
from tabular.reading import typed
from tests.unit.tabular.conftest import Data, make_contract

Features = npt.NDArray[np.float32]


def by_weight(slope: float) -> Any:
    """The probability of a cat is 0.5 at 10 kg and moves by `slope` with each kilogram."""

    def model(rows: Features) -> Floats:
        cat = np.clip(0.5 + slope * (np.nan_to_num(rows[:, 0], nan=10.0).astype(np.float64) - 10), 0, 1)
        return np.column_stack([1 - cat, cat])

    return model


def by_coat(rows: Features) -> Floats:
    """Long coats (index 1) are cats with 0.75, others with 0.25."""
    cat = np.where(rows[:, 3] == 1, 0.75, 0.25)
    return np.column_stack([1 - cat, cat])


def rows_of(*weights: float | None, coat: int = 1) -> pd.DataFrame:
    cells = pd.DataFrame({"weight": weights, "coat": [coat] * len(weights), "colour": "red"}, dtype=object)
    return typed(make_contract(), cells).rows


def contract_with(**behaviour: list[dict[str, Any]]) -> Contract:
    return make_contract(behaviour=behaviour)


def direction(**move: Any) -> Contract:
    return contract_with(directions=[{"feature": "weight", "risk": "rises", "source": "none", **move}])


@pytest.mark.parametrize(
    ("slope", "move", "passed", "reason"),
    [
        pytest.param(0.01, {"step": 2}, True, "weight +2: risk +0.020 on average, at least 0", id="rises as it must"),
        pytest.param(
            -0.01, {"step": 2}, False, "weight +2: risk -0.020 on average, at least 0", id="falls and must not"
        ),
        pytest.param(0.0, {"step": 2}, True, "weight +2: risk +0.000 on average, at least 0", id="stays"),
        pytest.param(
            -0.01,
            {"step": 2, "risk": "falls"},
            True,
            "weight +2: risk -0.020 on average, at most 0",
            id="falls as it must",
        ),
        pytest.param(
            0.01, {"step": -2, "risk": "falls"}, True, "weight -2: risk -0.020 on average, at most 0", id="down"
        ),
        pytest.param(
            0.01,
            {"step": 2, "label": "dog", "risk": "falls"},
            True,
            "weight +2: dog -0.020 on average, at most 0",
            id="of another class",
        ),
    ],
)
def test_direction(slope: float, move: dict[str, Any], passed: bool, reason: str) -> None:
    (seen,) = observe(direction(**move), by_weight(slope), rows_of(8, 10, 12, None), 0.5)
    assert seen == Observation(f"weight {move['step']:+g}", passed, reason)


@pytest.mark.parametrize(
    ("step", "weights"),
    [
        pytest.param(5, [86, 89, 90], id="all would leave the range above"),
        pytest.param(-5, [1, 4], id="all would leave the range below"),
        pytest.param(5, [None, None], id="none is known"),
    ],
)
def test_a_move_that_no_row_can_make_fails(step: float, weights: list[float | None]) -> None:
    (seen,) = observe(direction(step=step), by_weight(0.01), rows_of(*weights), 0.5)
    assert (seen.passed, seen.reason) == (False, f"weight {step:+g}: no row can make this move")


def test_rows_at_the_end_of_the_range_stay_out() -> None:
    """From 85 to 90 is possible, from 86 to 91 is not: the first row alone decides; at 1 its probability stays."""
    (seen,) = observe(direction(step=5), by_weight(0.01), rows_of(85, 86), 0.5)
    assert seen.reason == "weight +5: risk +0.000 on average, at least 0"
    (seen,) = observe(direction(step=5), by_weight(0.005), rows_of(85, 86), 0.5)
    assert seen.reason == "weight +5: risk +0.025 on average, at least 0"


def test_a_move_between_codes() -> None:
    contract = contract_with(
        directions=[
            {"feature": "coat", "from_code": 1, "to_code": 2, "risk": "rises", "source": "none"},
            {"feature": "coat", "from_code": 2, "to_code": 1, "risk": "falls", "source": "none"},
        ]
    )
    seen = observe(contract, by_coat, rows_of(4, 5), 0.5)
    assert [(each.passed, each.reason) for each in seen] == [
        (True, "coat 1 to 2: risk +0.500 on average, at least 0"),
        (False, "coat 2 to 1: no row can make this move"),
    ]


@pytest.mark.parametrize(
    ("tolerance", "passed"), [pytest.param(0.03, True, id="within"), pytest.param(0.01, False, id="beyond")]
)
def test_invariance(tolerance: float, passed: bool) -> None:
    contract = contract_with(invariances=[{"feature": "weight", "within": 2, "tolerance": tolerance}])
    (seen,) = observe(contract, by_weight(-0.01), rows_of(8, None, 12), 0.5)
    assert seen == Observation("weight ±2", passed, f"weight ±2: moves by 0.020, at most {tolerance:g}")


@pytest.mark.parametrize(
    ("weight", "slope"), [pytest.param(20, 0.05, id="down alone"), pytest.param(5, 0.1, id="up alone")]
)
def test_invariance_looks_both_ways(weight: float, slope: float) -> None:
    """Where a probability is 1 or 0 already, only one of the two moves shows."""
    contract = contract_with(invariances=[{"feature": "weight", "within": 2, "tolerance": 0.01}])
    (seen,) = observe(contract, by_weight(slope), rows_of(weight), 0.5)
    assert seen.reason == f"weight ±2: moves by {2 * slope:.3f}, at most 0.01"


@pytest.mark.parametrize(
    ("row", "threshold", "passed", "said"),
    [
        pytest.param({"weight": 14}, 0.5, True, "cat with 0.54", id="the likeliest class"),
        pytest.param({"weight": 6}, 0.5, False, "dog with 0.54", id="the other class"),
        pytest.param({"weight": 6}, 0.4, True, "cat with 0.46", id="a threshold below one half"),
        pytest.param({"weight": 14}, 0.6, False, "dog with 0.46", id="a threshold above one half"),
        pytest.param({"weight": 0}, 0.5, True, "cat with 0.50", id="a code for missing"),
        pytest.param({"weight": None}, None, False, "dog with 0.50", id="missing, no threshold, a tie"),
    ],
)
def test_case(row: dict[str, Any], threshold: float | None, passed: bool, said: str) -> None:
    contract = contract_with(cases=[{"name": "one", "row": row, "label": "cat"}])
    (seen,) = observe(contract, by_weight(0.01), rows_of(10), threshold)
    assert seen == Observation("one", passed, f"one: {said}, expected cat")


def test_a_real_model_keeps_what_its_contract_asks(heart: Data, heart_packaged: Packaged) -> None:
    onnx = heart_packaged.bundle.content["model.onnx"]
    seen = observe(heart.contract, lambda rows: predict(onnx, rows), heart.train, 0.33)
    behaviour = heart.contract.behaviour
    assert len(seen) == len(behaviour.directions) + len(behaviour.invariances) + len(behaviour.cases)
    assert [each.reason for each in seen if not each.passed] == []
    against = observe(heart.contract, lambda rows: predict(onnx, rows)[:, ::-1], heart.train, 0.33)
    assert [each.passed for each in against] == [False] * 4 + [True] * 2 + [False] * 2


def test_a_real_model_of_three_classes(penguins: Data, penguins_packaged: Packaged) -> None:
    onnx = penguins_packaged.bundle.content["model.onnx"]
    seen = observe(penguins.contract, lambda rows: predict(onnx, rows), penguins.train, None)
    assert [each.reason for each in seen if not each.passed] == []
