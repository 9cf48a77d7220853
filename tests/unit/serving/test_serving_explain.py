"""Explanations: right by definition, by construction and within their budget."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import weakref
from math import factorial
from typing import Any

import numpy as np
import pytest

from serving import explain
from serving.app import App
from serving.bundle import Model
from serving.dispatch import ROUTES
from serving.metrics import Metrics
from serving.plan import Routing
from serving.shapley import MOST_DIFFERING, Explainer
from serving.traffic import TrafficTable
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker, asker

FLOWER = {"stem length": 21.5, "petals": 10, "colour": "white", "wild": False}
RANDOM = np.random.default_rng(7)
NOT_ENOUGH, PLENTY = 0.0, 60.0


def curved(rows: Any) -> Any:
    """A model of three features in which all interact; a missing value counts as 2."""
    a, b, c = np.nan_to_num(rows, nan=2).T
    return np.stack([1 - a * b - c * a, a * b + c * a], axis=1).astype(np.float32)


def by_definition(infer: Any, background: Any, row: Any, column: int) -> list[float]:
    """Shapley values as the textbook has them: over all sets, each averaged over the background."""
    features = len(row)

    def worth(members: tuple[int, ...]) -> float:
        mixed = background.copy()
        mixed[:, members] = row[list(members)]
        return float(infer(mixed)[:, column].astype(float).mean())

    values = []
    for feature in range(features):
        rest = [other for other in range(features) if other != feature]
        value = 0.0
        for size in range(features):
            weight = factorial(size) * factorial(features - size - 1) / factorial(features)
            for members in itertools.combinations(rest, size):
                value += weight * (worth((*members, feature)) - worth(members))
        values.append(value)
    return values


def test_exact_values_are_those_of_the_definition() -> None:
    background = RANDOM.random((20, 3)).astype(np.float32)
    background[3, 1] = np.nan
    row = np.array([0.3, np.nan, background[0, 2]], dtype=np.float32)
    found = Explainer(curved, background).explain(row, 1, PLENTY)
    assert found.exact
    assert found.values == pytest.approx(by_definition(curved, background, row, 1), abs=1e-6)
    assert found.standard_errors.tolist() == [0, 0, 0]
    assert found.evaluations == 18 * 8 + 2 * 4  # one row shares its last value, one is missing the second too


def test_an_additive_model_gives_each_feature_its_own_term() -> None:
    weights = np.array([0.5, -0.25, 0.125], dtype=np.float32)
    background = RANDOM.random((10, 3)).astype(np.float32)
    row = np.array([0.9, 0.1, 0.5], dtype=np.float32)
    found = Explainer(lambda rows: (rows @ weights)[:, None], background).explain(row, 0, PLENTY)
    assert found.values == pytest.approx(weights * (row - background.mean(axis=0)), abs=1e-6)


@pytest.mark.parametrize("seconds", [NOT_ENOUGH, PLENTY])
def test_a_feature_that_never_differs_gets_nothing(seconds: float) -> None:
    background = RANDOM.random((10, 3)).astype(np.float32)
    background[:, 1] = np.nan
    row = np.array([0.3, np.nan, 0.7], dtype=np.float32)
    assert Explainer(curved, background).explain(row, 1, seconds).values[1] == 0


def test_without_time_values_are_sampled_and_say_how_far_off_they_may_be() -> None:
    background = RANDOM.random((50, 3)).astype(np.float32)
    row = np.array([0.9, 0.2, 0.7], dtype=np.float32)
    explainer = Explainer(curved, background)
    exact, sampled = explainer.explain(row, 1, PLENTY), explainer.explain(row, 1, NOT_ENOUGH)
    assert not sampled.exact
    assert sampled.evaluations == 2 * 2 * 50 * 4
    assert sampled.standard_errors.max() > 0
    assert (np.abs(sampled.values - exact.values) <= 4 * sampled.standard_errors + 1e-6).all()
    assert sampled.baseline + sampled.values.sum() == pytest.approx(curved(row[None])[0, 1], abs=1e-6)
    assert sampled.values.tolist() == explainer.explain(row, 1, NOT_ENOUGH).values.tolist()


def test_many_differing_features_are_sampled_whatever_the_budget() -> None:
    features = MOST_DIFFERING + 4
    background = RANDOM.random((4, features)).astype(np.float32)
    explainer = Explainer(lambda rows: rows.sum(axis=1, keepdims=True) / features, background)
    found = explainer.explain(np.ones(features, dtype=np.float32), 0, PLENTY)
    assert not found.exact
    assert found.values == pytest.approx((1 - background.mean(axis=0)) / features, abs=1e-5)


@pytest.mark.parametrize("budget", [1, 5000])
def test_heart_contributions_add_up_to_the_predicted_probability(ask: Asker, heart: Model, budget: int) -> None:
    response = ask(f"/explain?budget_ms={budget}", ROW)
    predicted, found = ask("/predict", ROW).json, response.json
    assert response.status == 200
    assert {name: found[name] for name in ("prediction", "label", "probability", "model", "version")} == {
        name: predicted[name] for name in ("prediction", "label", "probability", "model", "version")
    }
    assert (found["explained"], found["unit"], found["background_rows"]) == ("disease", "probability", 44)
    assert found["baseline"] == pytest.approx(float(background_of(heart)[:, 1].mean()), abs=1e-6)
    sizes = [abs(each["contribution"]) for each in found["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert {each["feature"] for each in found["contributions"]} == set(ROW)
    total = found["baseline"] + sum(each["contribution"] for each in found["contributions"])
    assert total == pytest.approx(predicted["probability"], abs=1e-6)


def background_of(model: Model) -> Any:
    return model.infer(np.array(model.serving["background"], dtype=np.float32))


def test_of_several_classes_the_predicted_one_is_explained(ask_flowers: Asker, flowers: Model) -> None:
    found = ask_flowers("/explain?budget_ms=5000", [FLOWER, {"wild": True}]).json
    predicted = ask_flowers("/predict", [FLOWER, {"wild": True}]).json
    for one, other in zip(found, predicted, strict=True):
        assert one["exact"]
        assert one["explained"] == one["label"] == other["label"]
        assert one["baseline"] == pytest.approx(
            float(background_of(flowers)[:, flowers.classes.index(other["label"])].mean()), abs=1e-6
        )
        total = one["baseline"] + sum(each["contribution"] for each in one["contributions"])
        assert total == pytest.approx(other["probability"], abs=1e-6)


@pytest.mark.parametrize("given", ["0", "5001", "", "ten", "1.5", "-1", "٣"])
def test_a_budget_beyond_its_range_is_refused(ask: Asker, given: str) -> None:
    response = ask(f"/explain?budget_ms={given}", ROW)
    assert response.status == 422
    assert response.json["errors"][0]["field"] == "budget_ms"
    assert response.json["errors"][0]["allowed"] == "a whole number from 1 to 5000"


def test_rows_are_judged_as_for_a_prediction(ask: Asker) -> None:
    response = ask("/explain", {**ROW, "age": 200})
    assert response.status == 422
    assert response.json["detail"] == "age is 200; allowed: a number from 0 to 120"


def test_too_many_rows_are_refused(ask: Asker) -> None:
    response = ask("/explain", [ROW] * (explain.MAX_ROWS + 1))
    assert response.status == 413
    assert response.json["detail"] == "the list has 33 rows; at most 32 are explained in one request"


def test_a_bundle_without_background_says_so(heart: Model, tmp_path: Any) -> None:
    bare = dataclasses.replace(heart, serving={**heart.serving, "background": []})
    response = asker(bare, tmp_path)("/explain", ROW)
    assert (response.status, response.json["type"]) == (404, "urn:problem:no-background")


def test_an_explanation_is_no_prediction_for_the_counters(heart: Model, tmp_path: Any) -> None:
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    metrics = Metrics()
    Asker(App(table, metrics))("/explain", ROW)
    assert metrics.snapshot()["tallies"] == []
    assert metrics.responses["/explain", 200] == 1


def test_a_model_that_was_explained_goes_with_its_version(heart: Model, tmp_path: Any) -> None:
    replaced = asker(dataclasses.replace(heart), tmp_path)
    assert replaced("/explain", ROW).status == 200
    assert replaced.app.table.routing is not None
    gone = weakref.ref(replaced.app.table.routing.champion)
    replaced.app.table.routing = None
    gc.collect()
    assert gone() is None


def test_it_has_a_scope_of_its_own_and_never_holds_up_the_loop() -> None:
    (route,) = [route for route in ROUTES if route.path == "/explain"]
    assert (route.method, route.scope, route.threaded) == ("POST", "explain", True)


def test_missing_values_are_explained_too(ask: Asker) -> None:
    found = ask("/explain", {"age": 63, "sex": 1}).json
    contributions = {each["feature"]: each["contribution"] for each in found["contributions"]}
    assert json.dumps(contributions, allow_nan=False)
    assert found["baseline"] + sum(contributions.values()) == pytest.approx(found["probability"], abs=1e-6)
