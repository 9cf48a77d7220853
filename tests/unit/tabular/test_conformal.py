"""Prediction sets: the limit by hand, and the promise on many draws."""

from __future__ import annotations

import numpy as np
import pytest

from tabular.conformal import LEVELS, REPORTED, coverage, limits, prediction_sets, wilson


def test_the_limit_is_the_score_that_leaves_the_promised_share_below() -> None:
    """Of 9 rows the 90 % limit is the 9th score of 10 places; 95 % can not be promised."""
    truth = np.zeros(9, dtype=np.int64)
    right = np.linspace(0.1, 0.9, 9)
    found = limits(truth, np.column_stack([right, 1 - right]))
    assert list(found) == list(LEVELS)
    assert (found["0.50"], found["0.90"], found["0.95"]) == (0.5, 0.9, 1.0)


def test_the_likeliest_class_is_always_in_the_set() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
    assert prediction_sets(p, 0.0).tolist() == [[True, False, False], [True, False, False]]
    assert prediction_sets(p, 0.7).tolist() == [[True, True, False], [True, False, False]]
    assert prediction_sets(p, 1.0).all()


@pytest.mark.parametrize("level", REPORTED)
def test_the_promise_holds_on_new_rows(level: str) -> None:
    draw = np.random.default_rng(3)

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
        raw = draw.dirichlet([1, 1, 1], count)
        truth = (draw.random((count, 1)) > raw.cumsum(axis=1)).sum(axis=1)
        said = raw**1.7  # too sure of itself: the promise does not need good probabilities
        return truth, said / said.sum(axis=1, keepdims=True)

    found = coverage(*rows(20_000), limits(*rows(2_000)))[level]
    assert found["coverage"] == pytest.approx(float(level), abs=0.02)
    assert found["low"] < found["coverage"] < found["high"]
    assert 1 <= found["classes"] <= 3


def test_wilson_by_its_published_example() -> None:
    """81 of 263 (Newcombe 1998, Stat Med 17, table I, method 3)."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0.0, 20)[0] == 0
