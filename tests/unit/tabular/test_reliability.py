"""Calibration, net benefit and average precision: by hand, and beside scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from tabular.reliability import average_precision, calibration_line, decision_curve, net_benefit

TRUTH = np.array([True, False, True, False])
SAID = np.array([0.9, 0.6, 0.3, 0.1])


def sample(rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    probability = draw.beta(1.5, 2, rows)
    return draw.random(rows) < probability, probability


def test_good_probabilities_have_slope_one_and_no_intercept() -> None:
    slope, intercept = calibration_line(*sample())
    assert slope == pytest.approx(1, abs=0.1)
    assert intercept == pytest.approx(0, abs=0.1)


def test_the_slope_is_that_of_a_logistic_regression_on_the_log_odds() -> None:
    positive, probability = sample()
    odds = np.log(probability / (1 - probability))
    theirs = LogisticRegression(C=1e9, tol=1e-9).fit((2 * odds)[:, None], positive)
    extreme = 1 / (1 + np.exp(-2 * odds))
    slope, _ = calibration_line(positive, extreme)
    assert slope == pytest.approx(float(theirs.coef_[0, 0]), abs=1e-4)
    assert slope == pytest.approx(0.5, abs=0.05)


def test_the_intercept_is_what_all_log_odds_are_short_of() -> None:
    positive, probability = sample()
    odds = np.log(probability / (1 - probability)) - 0.7
    _, intercept = calibration_line(positive, 1 / (1 + np.exp(-odds)))
    assert intercept == pytest.approx(calibration_line(positive, probability)[1] + 0.7, abs=1e-6)


@pytest.mark.parametrize("positive", [[True] * 4, [False] * 4])
def test_one_class_has_no_calibration(positive: list[bool]) -> None:
    assert all(math.isnan(value) for value in calibration_line(np.array(positive), SAID))


def test_classes_that_do_not_overlap_have_no_slope() -> None:
    assert math.isnan(calibration_line(np.array([True, True, False, False]), SAID)[0])


@pytest.mark.parametrize(
    ("threshold", "benefit"),
    [
        pytest.param(0.2, 2 / 4 - 1 / 4 * 0.25, id="three alarms, one false"),
        pytest.param(0.5, 1 / 4 - 1 / 4, id="a false alarm is as bad as a miss"),
        pytest.param(0.8, 1 / 4, id="one right alarm"),
        pytest.param(0.95, 0.0, id="no alarm"),
    ],
)
def test_net_benefit(threshold: float, benefit: float) -> None:
    assert net_benefit(TRUTH, SAID, threshold) == pytest.approx(benefit)


def test_the_curve_has_acting_on_everyone_beside_the_model() -> None:
    (point,) = decision_curve(TRUTH, SAID, [0.2])
    assert point == pytest.approx({"threshold": 0.2, "model": 0.4375, "all": 0.5 - 0.5 * 0.25})


def test_average_precision_as_scikit_learn_has_it() -> None:
    positive, probability = sample(300)
    for score in (probability, probability.round(1), np.ones(300)):
        assert average_precision(positive, score) == pytest.approx(average_precision_score(positive, score))
    assert math.isnan(average_precision(np.zeros(3, dtype=bool), probability[:3]))
