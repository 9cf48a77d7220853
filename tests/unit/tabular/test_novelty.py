"""What the training rows cover is what stands in them, and a row is new where it goes beyond."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tabular.novelty import covered, share_new
from tests.unit.tabular.conftest import Data, make_contract

TRAIN = pd.DataFrame(
    {
        "weight": [4.0, None, 12.5],
        "litter": pd.array([None, None, None], dtype="Int64"),
        "indoor": pd.array([True, True, None], dtype="boolean"),
        "coat": pd.array([2, None, 2], dtype="Int64"),
        "colour": pd.array(["red", "black", "red"], dtype="string"),
    }
)
KNOWN = covered(make_contract(), TRAIN)


def test_each_field_covers_what_stands_in_it() -> None:
    assert KNOWN == {
        "weight": {"minimum": 4.0, "maximum": 12.5},
        "litter": {"codes": []},
        "indoor": {"codes": [True]},
        "coat": {"codes": [2]},
        "colour": {"codes": ["black", "red"]},
    }


@pytest.mark.parametrize(
    ("change", "share"),
    [
        ({}, 0.0),
        ({"weight": [4.0, 12.5, 12.6]}, 1 / 3),
        ({"litter": pd.array([None, 3, None], dtype="Int64")}, 1 / 3),
        ({"indoor": pd.array([True, False, None], dtype="boolean")}, 1 / 3),
        ({"coat": pd.array([1, 1, None], dtype="Int64"), "weight": [1.0, 5.0, None]}, 2 / 3),
        ({"colour": pd.array(["white", "white", "white"], dtype="string")}, 1.0),
    ],
)
def test_a_row_is_new_by_any_of_its_fields_and_by_none_that_is_missing(change: dict[str, Any], share: float) -> None:
    assert share_new(KNOWN, TRAIN.assign(**change)) == pytest.approx(share, abs=1e-6)


def test_few_held_out_rows_are_new_and_more_elsewhere(heart: Data) -> None:
    known = covered(heart.contract, heart.train)
    assert share_new(known, heart.train) == 0.0
    assert share_new(known, heart.test) <= 2 * 6 / (len(heart.train) + 1) + 0.05
    assert share_new(known, heart.sites["switzerland"]) > share_new(known, heart.test)
