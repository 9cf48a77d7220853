"""Candidates: what goes into the classifier, and what comes out."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from tabular.candidates import Parameters, build
from tabular.tensors import to_tensor
from tabular.training_config import Family
from tests.unit.tabular.conftest import Data, make_contract

FAMILIES: dict[Family, Parameters] = {
    "logistic": {"C": 0.3},
    "spline": {"C": 0.3, "n_knots": 3},
    "class_shares": {},
    "one_feature": {"C": 1},
    "random_forest": {"n_estimators": 5},
    "extra_trees": {"n_estimators": 5},
    "gradient_boosting": {"n_estimators": 5},
}


def test_a_spline_is_hats_over_evenly_spaced_knots() -> None:
    contract = make_contract()
    features = np.array([[0, 1, 1, 0, 0], [2, 2, 0, 1, 1], [4, 3, 0, 1, 1], [1, np.nan, 1, 0, 2]], dtype=np.float32)
    model = build(contract, "spline", {"C": 1, "n_knots": 3}, seed=1).fit(features, np.array([0, 1, 0, 1]))
    hats = model[0].transform(features)[:, :3]  # of weight, with knots at 0, 2 and 4
    np.testing.assert_allclose(hats, np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]))
    beyond = model[0].transform(np.array([[9, 1, 1, 0, 0]], dtype=np.float32))[0, :3]
    np.testing.assert_allclose(beyond, [0, 0, 1])


def test_baselines_know_the_class_shares_and_one_column(heart: Data) -> None:
    shares = build(heart.contract, "class_shares", {}, seed=1).fit(heart.features, heart.truth)
    np.testing.assert_allclose(shares.predict_proba(heart.features)[0, 1], heart.truth.mean())
    one = build(heart.contract, "one_feature", {}, seed=1).fit(heart.features, heart.truth)
    assert one[-1][0].get_support().sum() == 1


def test_calibration_wraps_the_estimator(heart: Data) -> None:
    plain: Parameters = {"n_estimators": 20, "min_samples_leaf": 2}
    model = build(heart.contract, "random_forest", {**plain, "calibration": "sigmoid"}, seed=1)
    model.fit(heart.features, heart.truth)
    assert type(model[-1]).__name__ == "CalibratedClassifierCV"
    assert type(build(heart.contract, "random_forest", {**plain, "calibration": None}, seed=1)[-1]).__name__ == (
        "RandomForestClassifier"
    )


def test_every_family_is_tried_here() -> None:
    assert sorted(FAMILIES) == sorted(get_args(Family))


@pytest.mark.parametrize("family", FAMILIES)
def test_probabilities_of_two_and_three_classes(family: Family, heart: Data, penguins: Data) -> None:
    for data, classes in ((heart, 2), (penguins, 3)):
        model = build(data.contract, family, FAMILIES[family], seed=1).fit(data.features, data.truth)
        p = model.predict_proba(to_tensor(data.contract, data.test))
        assert p.shape == (len(data.test), classes)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert model.classes_.tolist() == list(range(classes))


def test_columns_are_imputed_one_hot_and_scaled_by_hand() -> None:
    contract = make_contract()
    features = np.array(
        [[1, 2, 1, 0, 0], [3, np.nan, 1, 0, 1], [np.nan, 4, 0, 1, np.nan], [8, 6, np.nan, 0, 1]], dtype=np.float32
    )
    truth = np.array([0, 1, 0, 1])
    trees = build(contract, "extra_trees", {"n_estimators": 1}, seed=1).fit(features, truth)
    expected = [  # weight, litter | indoor | coat short, long | colour black, white, red
        [1, 2, 1, 1, 0, 1, 0, 0],
        [3, 4, 1, 1, 0, 0, 1, 0],
        [3, 4, 0, 0, 1, 0, 1, 0],
        [8, 6, 1, 1, 0, 0, 1, 0],
    ]
    np.testing.assert_array_equal(trees[0].transform(features), expected)

    linear = build(contract, "logistic", {"C": 1}, seed=1).fit(features, truth)
    scaled = linear[0].transform(features)
    numbers = np.array(expected, dtype=np.float64)[:, :2]
    np.testing.assert_allclose(scaled[:, :2], (numbers - numbers.mean(axis=0)) / numbers.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(scaled[:, 2:], np.array(expected)[:, 2:])


def test_an_unknown_code_is_no_category_and_an_empty_column_is_zero() -> None:
    contract = make_contract()
    features = np.array([[1, np.nan, 1, 0, 0], [2, np.nan, 0, 1, 1]], dtype=np.float32)
    model = build(contract, "random_forest", {"n_estimators": 1}, seed=1).fit(features, np.array([0, 1]))
    row = np.array([[1, np.nan, 1, 99, 99]], dtype=np.float32)
    assert model[0].transform(row).tolist() == [[1, 0, 1, 0, 0, 0, 0, 0]]


@pytest.mark.parametrize("family", ["random_forest", "extra_trees"])
def test_the_seed_decides(family: Family, heart: Data) -> None:
    first, again, other = (
        build(heart.contract, family, {"n_estimators": 5}, seed).fit(heart.features, heart.truth)
        for seed in (1, 1, 2)
    )  # fmt: skip
    rows = to_tensor(heart.contract, heart.test)
    np.testing.assert_array_equal(first.predict_proba(rows), again.predict_proba(rows))
    assert np.abs(first.predict_proba(rows) - other.predict_proba(rows)).max() > 0.1
