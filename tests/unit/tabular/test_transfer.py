"""What is fitted for a site from its unlabelled rows: parts by hand, and the whole on the real hospitals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from project.errors import Refused
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular import export
from tabular.adaptation import AdaptationSettings, adapt_bundle, or_refuse
from tabular.adaptation_card import NOT_BELIEVED
from tabular.behaviour import Observation
from tabular.bundle import to_json
from tabular.drift import MonitoringConfig
from tabular.gates import Verdict
from tabular.metrics import Classes, Floats
from tabular.packaging import Packaged
from tabular.prior_shift import Scaling, by_count, by_expectation, calibrate
from tabular.tensors import to_tensor
from tabular.training_config import Cost, MetricBound, TrainingConfig
from tabular.transfer import Labelled, Technique, adapt, even_weights, like_site, resemblance
from tests.unit.tabular.conftest import Data, load, packaged, score

COST = Cost(false_negative=2, false_positive=1)


@pytest.fixture(scope="module")
def settings() -> AdaptationSettings:
    return read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).adaptation


def two_bells(rows: int, share: float, seed: int) -> tuple[Classes, Floats]:
    """True classes, and the probabilities of someone who knows both bells and takes the classes for equally common."""
    draw = np.random.default_rng(seed)
    truth = (draw.random(rows) < share).astype(np.int64)
    x = draw.normal(np.where(truth == 1, 1.0, -1.0))
    positive = 1 / (1 + np.exp(-2 * x))
    return truth, np.column_stack([1 - positive, positive])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.93])
def test_both_estimates_find_the_share_of_a_class_that_looks_alike(share: float) -> None:
    known, answers = two_bells(20_000, 0.5, seed=1)
    truth, there = two_bells(20_000, share, seed=2)
    assert by_expectation(there, np.array([0.5, 0.5]))[1] == pytest.approx(truth.mean(), abs=0.015)
    assert by_count(known, answers, np.ones(20_000), there)[1] == pytest.approx(truth.mean(), abs=0.015)


def test_expectation_of_rows_like_those_before_changes_nothing() -> None:
    assert by_expectation(np.array([[0.7, 0.3]]), np.array([0.7, 0.3])) == pytest.approx([0.7, 0.3])


def test_a_scaling_moves_the_odds_by_the_ratio_of_the_shares() -> None:
    moved = Scaling(1.0, [0.0, 0.0]).towards(np.array([0.5, 0.5]), np.array([0.2, 0.8]))
    assert moved.apply(np.array([[0.5, 0.5], [0.8, 0.2]])) == pytest.approx(np.array([[0.2, 0.8], [0.5, 0.5]]))
    assert Scaling(2.0, [0.0, 0.0]).apply(np.array([[0.2, 0.8]])) == pytest.approx(np.array([[1 / 17, 16 / 17]]))


def test_calibration_undoes_what_was_done_to_good_probabilities() -> None:
    truth, answers = two_bells(20_000, 0.5, seed=3)
    found = calibrate(truth, Scaling(0.5, [0.0, 0.7]).apply(answers), np.ones(len(truth)))
    assert found.slope == pytest.approx(2.0, abs=0.1)
    assert found.offset == pytest.approx([0.0, -1.4], abs=0.1)


def test_calibration_knows_more_than_two_classes(penguins: Data) -> None:
    hot = np.eye(3)[penguins.truth] * 0.4 + 0.2
    found = calibrate(penguins.truth, hot, np.ones(len(hot)))
    assert found.apply(hot)[np.arange(len(hot)), penguins.truth].min() > 0.999


def test_copies_lack_what_rows_of_the_site_lack_together() -> None:
    features = np.arange(8, dtype=np.float32).reshape(4, 2)
    site = np.array([[1, np.nan], [np.nan, 1]], dtype=np.float32)
    copied = like_site(features, site, 50, seed=1)
    assert copied.shape == (200, 2)
    assert (np.isnan(copied).sum(axis=1) == 1).all()
    there = ~np.isnan(copied)
    np.testing.assert_array_equal(copied[there], np.tile(features, (50, 1))[there])
    assert np.isnan(copied[:, 0]).mean() == pytest.approx(0.5, abs=0.1)
    assert np.isnan(features).sum() == 0


def test_even_weights_hide_each_site_s_prevalence() -> None:
    weights = even_weights(np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1]))
    assert weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2, 1, 1])
    assert even_weights(np.array([1, 1]), np.array([0, 0])) == pytest.approx([1, 1])


def test_rows_like_those_of_the_site_count_more(heart: Data) -> None:
    features, age = heart.features, heart.features[:, 0]
    weights = resemblance(heart.contract, features, features[age > 55], Technique(family="logistic"), seed=1)
    assert weights.mean() == pytest.approx(1)
    assert weights[age > 60].mean() > 1.5 * weights[age < 50].mean()


def test_the_missing_columns_alone_lift_what_transfers(heart: Data) -> None:
    """AUC on the hospital that lacks most columns at once, never seen and its labels used to measure alone."""
    from tabular.metrics import roc_auc
    from tabular.tensors import to_classes

    known = Labelled(heart.features, heart.truth, np.zeros(len(heart.truth), dtype=np.int64))
    site, truth = to_tensor(heart.contract, heart.external["va"]), to_classes(heart.contract, heart.external["va"])
    plain, apart = (
        roc_auc(truth, adapt(heart.contract, known, site, technique, 7).predict_proba(site))
        for technique in (
            Technique(family="logistic", parameters={"C": 0.3}),
            Technique(family="logistic", parameters={"C": 0.3}, copies=10),
        )
    )
    assert plain == pytest.approx(0.696, abs=0.02)
    assert apart - plain > 0.01


@pytest.mark.parametrize("name", ["heart", "penguins"])
def test_a_scaled_model_answers_in_onnx_as_here(request: pytest.FixtureRequest, name: str) -> None:
    data: Data = request.getfixturevalue(name)
    known = Labelled(data.features, data.truth, np.zeros(len(data.truth), dtype=np.int64))
    technique = Technique(family="extra_trees", parameters={"n_estimators": 20}, copies=2, even=True, shares="count")
    adapted = adapt(data.contract, known, data.features, technique, 7)
    onnx = export.with_scaling(export.to_onnx(adapted.model, data.features.shape[1]), adapted.scaling)
    assert export.parity(adapted, onnx, data.features, 7, data.contract.numbers) <= 1e-5
    assert export.predict(onnx, data.features[:1]).shape == (1, len(data.contract.target.labels))
    assert adapted.shares is adapted.estimate


def test_a_bundle_is_adapted_without_a_label(
    heart: Data, heart_packaged: Packaged, settings: AdaptationSettings
) -> None:
    """The rows' own target moves nothing: with it the bundle is the same."""
    bundle, labelled = heart_packaged.bundle, heart.external["switzerland"]
    rows = labelled.drop(columns=heart.contract.target.column)
    made, report = adapt_bundle(heart.contract, bundle, rows, "switzerland", COST, settings)
    or_refuse(report)
    assert (report.rows, report.made_from, report.digest) == (123, bundle.digest, made.digest)
    assert report.threshold == made.json("serving.json")["threshold"] == 0.3333
    assert report.missing["chol"] == 1
    assert report.shares["disease"] == pytest.approx(0.876, abs=0.03)
    assert report.shares_used == report.shares
    low, high = report.intervals["disease"]
    assert low < report.shares["disease"] < high
    again, _ = adapt_bundle(heart.contract, bundle, labelled, "switzerland", COST, settings)
    assert again.digest == made.digest != bundle.digest
    example = made.json("serving.json")["example"]
    assert made.json("metrics.json")["adaptation"]["made_from"] == bundle.digest
    assert "test" not in made.json("metrics.json"), "figures of another model"
    assert export.predict(made.content["model.onnx"], to_tensor(heart.contract, heart.train.dropna().iloc[[0]]))[
        0
    ] == pytest.approx(example["probabilities"], abs=1e-6)
    assert "adapted to switzerland" in made.content["model_card.md"].decode()


def test_shares_that_leave_a_class_no_row_are_not_believed(
    heart: Data, heart_packaged: Packaged, settings: AdaptationSettings
) -> None:
    _, report = adapt_bundle(heart.contract, heart_packaged.bundle, heart.external["va"], "va", COST, settings)
    assert report.shares["disease"] > 1 - 1 / 200
    assert report.shares_used["disease"] == pytest.approx(heart.truth.mean(), abs=1e-6)
    assert Verdict("class shares", passed=True, reason=NOT_BELIEVED) in report.verdicts


def test_a_table_of_small_numbers_is_adapted_too(config: TrainingConfig, settings: AdaptationSettings) -> None:
    """Parity is asked of values that a column can have: no category's code among lengths of a tenth."""
    data = load("breast_cancer")
    champion = packaged(data, score(data, config, "logistic", {"C": 0.3}), 0.33)
    rows = data.test.drop(columns=data.contract.target.column)
    _, report = adapt_bundle(data.contract, champion.bundle, rows, "input", COST, settings)
    or_refuse(report)
    assert report.shares["malignant"] == pytest.approx((data.test["diagnosis"] == "malignant").mean(), abs=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"minimum_quality": [MetricBound(metric="roc_auc", at_least=0.99)]}, "minimum roc_auc: roc_auc 0.8"),
        ({"widest_share_interval": 0.01}, "width of class shares: 95 % interval 0."),
        ({"farthest_shares": 0.001}, "agreement of class shares: two estimates differ by 0."),
        ({"maximum_model_bytes": 10}, "model size: 2,385 bytes, at most 10"),
        ({"maximum_parity_difference": 1e-12}, "parity: ONNX differs"),
    ],
)
def test_each_gate_can_say_no(
    heart: Data, heart_packaged: Packaged, settings: AdaptationSettings, change: dict[str, object], message: str
) -> None:
    strict = settings.model_copy(update=change)
    _, report = adapt_bundle(
        heart.contract, heart_packaged.bundle, heart.external["switzerland"], "switzerland", COST, strict
    )
    with pytest.raises(Refused) as refusal:
        or_refuse(report)
    assert refusal.value.cause.startswith(f"no model was adapted to switzerland. {message}")


def test_a_model_of_the_wrong_direction_is_refused(
    heart: Data, heart_packaged: Packaged, settings: AdaptationSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [Observation("oldpeak", passed=False, reason="oldpeak +1: falls")]
    monkeypatch.setattr("tabular.adaptation.observe", lambda *_: seen)
    _, report = adapt_bundle(heart.contract, heart_packaged.bundle, heart.external["va"], "va", COST, settings)
    with pytest.raises(Refused, match="behaviour: oldpeak"):
        or_refuse(report)


def test_too_few_rows_and_another_contract_are_refused(
    heart: Data, penguins: Data, heart_packaged: Packaged, settings: AdaptationSettings
) -> None:
    bundle, rows = heart_packaged.bundle, heart.external["va"]
    with pytest.raises(Refused, match="va has 49 rows; adaptation needs at least 50"):
        adapt_bundle(heart.contract, bundle, rows.head(49), "va", COST, settings)
    other = replace(bundle, content={**bundle.content, "contract.json": to_json({"name": "heart_disease"})})
    with pytest.raises(Refused, match="the contract of heart_disease has changed since"):
        adapt_bundle(heart.contract, other, rows, "va", COST, settings)
