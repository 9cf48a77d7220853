"""What ships answers as what was trained, or is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from project.errors import Exit, Refused
from tabular.candidates import Parameters, build
from tabular.export import PARITY_ROWS, parity, predict, recombined, size, to_onnx
from tabular.gates import parity as parity_gate
from tabular.training_config import SEARCHABLE, Family
from tests.unit.tabular.conftest import Data

FAMILIES: dict[Family, Parameters] = {
    "logistic": {"C": 0.3},
    "random_forest": {"n_estimators": 30, "min_samples_leaf": 2},
    "extra_trees": {"n_estimators": 30},
    "gradient_boosting": {"n_estimators": 30, "max_depth": 2},
    "spline": {"C": 0.3},
}
NAMES = ("heart", "penguins")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", NAMES)
def test_onnx_answers_as_scikit_learn(request: pytest.FixtureRequest, name: str, family: Family) -> None:
    data: Data = request.getfixturevalue(name)
    features = data.features
    model = build(data.contract, family, FAMILIES[family], seed=7).fit(features, data.truth)
    exported = to_onnx(model, features.shape[1])
    assert parity(model, exported, features, 7, data.contract.numbers) <= 1e-6
    rows = recombined(features, 500, seed=1)
    np.testing.assert_allclose(predict(exported, rows), model.predict_proba(rows), atol=1e-6)
    assert predict(exported, rows[:1]).shape == (1, len(data.contract.target.labels))


@pytest.mark.parametrize("family", [family for family in FAMILIES if "calibration" in SEARCHABLE[family]])
@pytest.mark.parametrize("name", NAMES)
def test_a_calibrated_model_answers_alike_too(request: pytest.FixtureRequest, name: str, family: Family) -> None:
    data: Data = request.getfixturevalue(name)
    parameters: Parameters = {**FAMILIES[family], "calibration": "sigmoid"}
    model = build(data.contract, family, parameters, seed=7).fit(data.features, data.truth)
    assert parity(model, to_onnx(model, data.features.shape[1]), data.features, 7, data.contract.numbers) <= 1e-6


def test_a_spline_over_a_column_of_one_value_or_of_none(heart: Data) -> None:
    features = heart.features.copy()
    features[:, 0], features[:, 3] = np.nan, 120
    model = build(heart.contract, "spline", {}, seed=7).fit(features, heart.truth)
    assert parity(model, to_onnx(model, features.shape[1]), features, 7, heart.contract.numbers) <= 1e-6


def test_recombined_rows_are_the_hard_case(heart: Data) -> None:
    """Real values in new company, a tenth of the cells missing or unknown: 8 % and 2 % of the rest."""
    rows = recombined(heart.features, PARITY_ROWS, seed=7)
    assert rows.shape == (20_000, 13)
    assert rows.dtype == np.float32
    known = heart.features
    for column in range(13):
        real = {*known[~np.isnan(known[:, column]), column].tolist(), 99.0}
        assert set(rows[~np.isnan(rows[:, column]), column].tolist()) <= real
    assert (rows == 99).mean() == pytest.approx(0.02, abs=0.002)
    assert np.isnan(rows[:, 0]).mean() == pytest.approx(0.08 * 0.98, abs=0.006)
    np.testing.assert_array_equal(rows, recombined(heart.features, PARITY_ROWS, seed=7))
    assert not np.array_equal(rows, recombined(heart.features, PARITY_ROWS, seed=8), equal_nan=True)


def test_numbers_are_no_unknown_categories(heart: Data) -> None:
    rows = recombined(heart.features, PARITY_ROWS, seed=7, numbers=(0, 3))
    assert not (rows[:, [0, 3]] == 99).any()
    assert (rows[:, 2] == 99).mean() == pytest.approx(0.02, abs=0.004)
    everywhere = recombined(heart.features, PARITY_ROWS, seed=7)
    np.testing.assert_array_equal(rows[:, 2], everywhere[:, 2])


@pytest.mark.parametrize("name", NAMES)
def test_all_categories_are_encoded_at_once(request: pytest.FixtureRequest, name: str) -> None:
    """The converter's own way is three operators for each category; a single row pays for every operator."""
    data: Data = request.getfixturevalue(name)
    model = build(data.contract, "logistic", {}, seed=7).fit(data.features, data.truth)
    graph = onnx.load_from_string(to_onnx(model, data.features.shape[1])).graph
    kinds = [node.op_type for node in graph.node]
    assert [kinds.count(kind) for kind in ("Gather", "Equal", "Cast", "OneHotEncoder")] == [1, 1, 1, 0]


def test_a_model_that_can_not_be_exported_is_refused(heart: Data) -> None:
    model = make_pipeline(HistGradientBoostingClassifier(max_iter=2)).fit(heart.features, heart.truth)
    with pytest.raises(Refused) as refusal:
        to_onnx(model, 13)
    assert refusal.value.exit_code is Exit.REFUSED
    assert refusal.value.cause.startswith("HistGradientBoostingClassifier can not be exported to ONNX: ")


def test_a_model_that_is_not_exported_faithfully_fails_its_gate(heart: Data) -> None:
    """Behind a scaler the rounded thresholds of trees fall on the wrong side of real values."""
    features = np.nan_to_num(heart.features)
    model = make_pipeline(StandardScaler(), RandomForestClassifier(n_estimators=20, random_state=0))
    model.fit(features, heart.truth)
    rows = np.nan_to_num(recombined(features, PARITY_ROWS, seed=7))
    difference = float(np.abs(model.predict_proba(rows) - predict(to_onnx(model, 13), rows)).max())
    assert difference > 1e-3
    verdict = parity_gate(difference, 1e-6)
    assert not verdict.passed
    assert verdict.reason == f"ONNX differs from scikit-learn by {difference:.1e}, at most 1e-06"


def test_size_counts_decision_nodes_or_operators(heart: Data) -> None:
    forest = build(heart.contract, "random_forest", {"n_estimators": 4}, 7).fit(heart.features, heart.truth)
    exported = to_onnx(forest, 13)
    nodes = sum(tree.tree_.node_count for tree in forest[-1].estimators_)
    assert size(exported) == (len(exported), nodes)
    linear = to_onnx(build(heart.contract, "logistic", {"C": 1}, 7).fit(heart.features, heart.truth), 13)
    assert size(linear) == (len(linear), len(onnx.load_from_string(linear).graph.node))


def test_names_and_bytes_of_the_graph(heart: Data) -> None:
    model = build(heart.contract, "logistic", {"C": 1}, 7).fit(heart.features, heart.truth)
    exported = to_onnx(model, 13)
    graph = onnx.load_from_string(exported)
    assert [each.name for each in graph.graph.input] == ["features"]
    assert graph.graph.output[-1].name == "probabilities"
    assert (graph.graph.name, graph.producer_version) == ("tabular", "")
    assert [opset.domain for opset in graph.opset_import] == sorted(opset.domain for opset in graph.opset_import)
    assert to_onnx(model, 13) == exported
