"""Scores, the choice between candidates and the threshold, against values worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.preprocessing import SplineTransformer

from project.errors import Refused
from tabular.candidates import build, grid
from tabular.choosing import make_choice
from tabular.metrics import measure, row_log_loss
from tabular.scoring import Scored, choose, choose_threshold, corrected_standard_error, score_candidate
from tabular.training_config import BASELINES, Candidate, Cost, Family, Nested, Space, TrainingConfig, Validation
from tests.unit.tabular.conftest import Data, score


def test_nadeau_and_bengio_by_hand() -> None:
    """Five folds: variance of 1..5 is 2.5, so sqrt((1/5 + 1/4) * 2.5) = sqrt(1.125)."""
    assert corrected_standard_error([1, 2, 3, 4, 5], splits=5) == pytest.approx(1.0606601717798212)
    twice = corrected_standard_error([1, 2, 3, 4, 5] * 2, splits=5)
    assert twice == pytest.approx(math.sqrt((1 / 10 + 1 / 4) * 20 / 9))
    assert twice > np.std([1, 2, 3, 4, 5] * 2, ddof=1) / math.sqrt(10)


def test_one_fold_has_no_error() -> None:
    assert corrected_standard_error([0.3], splits=5) == 0.0
    assert corrected_standard_error([0.3, 0.3, 0.3], splits=3) == 0.0


def scored(name: str, mean: float, complexity: int, error: float = 0.02) -> Scored:
    return Scored(name, "logistic", complexity, {}, mean, error, [mean], {}, [[0.7, 0.3], [0.2, 0.8]], 5)


@pytest.mark.parametrize(
    ("scores", "metric", "chosen"),
    [
        pytest.param([scored("a", 0.40, 3), scored("b", 0.41, 1)], "log_loss", "b", id="simpler within one error"),
        pytest.param([scored("a", 0.40, 3), scored("b", 0.43, 1)], "log_loss", "a", id="simpler, too far"),
        pytest.param([scored("a", 0.40, 3, 0.5), scored("b", 0.9, 1)], "log_loss", "b", id="on the error's edge"),
        pytest.param(
            [scored("a", 0.40, 3, 0.02), scored("b", 0.43, 1, 0.5)], "log_loss", "a", id="the best one's error counts"
        ),
        pytest.param([scored("b", 0.40, 1), scored("a", 0.41, 1)], "log_loss", "b", id="as simple: the better"),
        pytest.param([scored("b", 0.40, 1), scored("a", 0.40, 1)], "log_loss", "a", id="equal: the first by name"),
        pytest.param([scored("a", 0.91, 3), scored("b", 0.90, 1)], "roc_auc", "b", id="higher is better, near"),
        pytest.param([scored("a", 0.91, 3), scored("b", 0.85, 1)], "roc_auc", "a", id="higher is better, far"),
        pytest.param([scored("a", 0.5, 9)], "brier", "a", id="alone"),
    ],
)
def test_one_standard_error_rule(scores: list[Scored], metric: str, chosen: str) -> None:
    assert choose(scores, metric).name == chosen
    assert choose(scores[::-1], metric).name == chosen


@pytest.mark.parametrize(
    ("truth", "positive", "cost", "threshold"),
    [
        pytest.param([0, 0, 1, 1], [0.1, 0.3, 0.5, 0.9], (1, 1), 0.4, id="separable: the middle of the gap"),
        pytest.param([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], (1, 1), 0.3, id="equal costs: as near to one half as any"),
        pytest.param([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], (10, 1), 0.3, id="a miss costs more: lower"),
        pytest.param([0, 1, 0, 1], [0.2, 0.4, 0.6, 0.8], (1, 10), 0.7, id="a false alarm costs more: higher"),
        pytest.param([1, 1], [0.4, 0.6], (1, 1), 0.2, id="no negative: always answered"),
        pytest.param([0, 0], [0.4, 0.6], (1, 1), 0.8, id="no positive: never answered"),
        pytest.param([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], (2, 1), 0.25, id="all alike, a miss costs more"),
        pytest.param([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], (1, 2), 0.75, id="all alike, a false alarm costs more"),
    ],
)
def test_threshold(truth: list[int], positive: list[float], cost: tuple[float, float], threshold: float) -> None:
    costs = Cost(false_negative=cost[0], false_positive=cost[1])
    assert choose_threshold(np.array(truth), np.array(positive), costs) == threshold


rows = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 99)), min_size=1, max_size=30)


@given(rows, st.integers(1, 9), st.integers(1, 9))
def test_no_other_threshold_is_cheaper(sample: list[tuple[int, int]], miss: int, alarm: int) -> None:
    truth, positive = np.array([t for t, _ in sample]), np.array([p / 100 for _, p in sample])

    def total(threshold: float) -> int:
        said = positive >= threshold
        return miss * int((~said & (truth == 1)).sum()) + alarm * int((said & (truth == 0)).sum())

    found = choose_threshold(truth, positive, Cost(false_negative=miss, false_positive=alarm))
    assert total(found) == min(total(threshold) for threshold in np.arange(0.005, 1, 0.01))


def test_a_search_reports_the_folds_it_ran(heart: Data, config: TrainingConfig) -> None:
    found = score_candidate(
        heart.contract,
        heart.features,
        heart.truth,
        "plain",
        config.candidates["logistic"],
        {"C": [0.3]},
        Validation(folds=3, repeats=2),
        "log_loss",
        7,
    )
    folds, pooled = [], np.zeros((len(heart.truth), 2))
    splitter = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=7)
    for train, test in splitter.split(heart.features, heart.truth):
        model = build(heart.contract, "logistic", {"C": 0.3}, 7).fit(heart.features[train], heart.truth[train])
        p = model.predict_proba(heart.features[test])
        folds.append(float(row_log_loss(heart.truth[test], p).mean()))
        pooled[test] += p / 2
    assert found.folds == pytest.approx(folds, abs=1e-6)
    assert found.mean == round(float(np.mean(folds)), 6)
    assert found.standard_error == pytest.approx(corrected_standard_error(folds, 3), abs=1e-6)
    np.testing.assert_allclose(found.probabilities, pooled, atol=1e-12)
    assert found.metrics == pytest.approx(measure(heart.truth, pooled, None), abs=1e-6)
    assert (found.name, found.family, found.complexity, found.parameters) == ("plain", "logistic", 1, {"C": 0.3})


def test_each_number_of_knots_is_encoded_by_itself_and_once(
    heart: Data, config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, fitted = SplineTransformer.fit, []

    def counted(self: SplineTransformer, *rows: Any) -> SplineTransformer:
        fitted.append(self.n_knots)
        return fit(self, *rows)

    monkeypatch.setattr(SplineTransformer, "fit", counted)
    found = score_candidate(
        heart.contract,
        heart.features,
        heart.truth,
        "x",
        config.candidates["spline"],
        {"C": [0.03, 1.0], "n_knots": [2, 6]},
        Validation(folds=2, repeats=1),
        "log_loss",
        7,
    )
    assert sorted(fitted) == [2, 2, 6, 6]
    assert found.parameters == {"C": 1.0, "n_knots": 6}
    model, folds = build(heart.contract, "spline", found.parameters, 7), []
    for train, test in RepeatedStratifiedKFold(n_splits=2, n_repeats=1, random_state=7).split(
        heart.features, heart.truth
    ):
        p = model.fit(heart.features[train], heart.truth[train]).predict_proba(heart.features[test])
        folds.append(float(row_log_loss(heart.truth[test], p).mean()))
    assert found.folds == pytest.approx(folds, abs=1e-6)


@pytest.mark.parametrize("metric", ["log_loss", "brier", "roc_auc"])
def test_the_best_point_wins_by_every_metric(heart: Data, config: TrainingConfig, metric: str) -> None:
    """With C = 1e-6 hardly anything is learnt."""
    found = score_candidate(
        heart.contract,
        heart.features,
        heart.truth,
        "x",
        config.candidates["logistic"],
        {"C": [1e-6, 1.0]},
        Validation(folds=3, repeats=1),
        metric,
        7,
    )
    assert found.parameters == {"C": 1.0}


def test_of_equal_points_the_first_written_is_kept(heart: Data, config: TrainingConfig) -> None:
    """Stumps of this forest are the same with leaves of one row or two; their mean is 0.1968897, stored as 0.196890."""
    boosting = config.candidates["boosting"]
    for first, second in ((2, 1), (1, 2)):
        space = {"n_estimators": [5], "max_depth": [1], "min_samples_leaf": [first, second]}
        found = score_candidate(
            heart.contract,
            heart.features,
            heart.truth,
            "x",
            boosting,
            space,
            Validation(folds=3, repeats=1),
            "brier",
            7,
        )
        assert found.parameters["min_samples_leaf"] == first


@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        pytest.param("random_forest", {"n_estimators": 8}, id="random forest"),
        pytest.param("gradient_boosting", {"n_estimators": 8}, id="gradient boosting"),
    ],
)
def test_two_threads_score_as_one_does(
    heart: Data, config: TrainingConfig, family: Family, parameters: dict[str, float | int | str | None]
) -> None:
    assert score(heart, config, family, parameters, jobs=2) == score(heart, config, family, parameters)


def test_a_class_of_fewer_rows_than_folds_is_refused(penguins: Data, config: TrainingConfig) -> None:
    rare = np.flatnonzero(penguins.truth == 1)[:2]
    kept = np.concatenate([rare, np.flatnonzero(penguins.truth != 1)])
    with pytest.raises(Refused) as refusal:
        score_candidate(
            penguins.contract,
            penguins.features[kept],
            penguins.truth[kept],
            "x",
            config.candidates["logistic"],
            {"C": [1.0]},
            Validation(folds=5, repeats=1),
            "log_loss",
            7,
        )
    assert refusal.value.cause == (
        "class 'Chinstrap' has 2 rows to learn from; cross-validation in 5 folds needs one for each"
    )


def test_grid_is_every_combination_as_written() -> None:
    assert grid({"a": [1, 2], "b": ["x", None]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": None},
        {"a": 2, "b": "x"},
        {"a": 2, "b": None},
    ]
    assert grid({}) == [{}]


def test_a_space_belongs_to_its_profile() -> None:
    candidate = Candidate(family="logistic", complexity=1, search=Space(quick={"C": [1.0]}, full={"C": [1.0, 2.0]}))
    assert candidate.space("quick") == {"C": [1.0]}
    assert candidate.space("full") == {"C": [1.0, 2.0]}


def test_profiles_have_their_own_folds(config: TrainingConfig) -> None:
    assert config.validation("quick") == Validation(folds=5, repeats=2)
    assert config.validation("full") == Validation(folds=10, repeats=3, nested=Nested(outer=5, inner=5))


def test_a_choice_has_a_threshold_for_two_classes_alone(config: TrainingConfig) -> None:
    two = [scored("b", 0.40, 2), scored("a", 0.41, 1)]
    choice = make_choice(two, np.array([0, 1]), config.selection_metric, config.cost)
    assert (choice.chosen.name, choice.threshold) == ("a", 0.55)
    assert [each.name for each in choice.leaderboard] == ["a", "b"]
    three = [replace(scored("a", 0.4, 1), probabilities=[[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])]
    assert make_choice(three, np.array([2, 1]), config.selection_metric, config.cost).threshold is None


def test_what_only_the_whole_search_tries(config: TrainingConfig) -> None:
    """A candidate without quick values costs a quick run nothing."""
    quick, full = ({name for name, _, _ in config.taking_part(profile)} for profile in ("quick", "full"))
    assert quick == {"logistic", "forest", "boosting"}
    assert full == set(config.candidates)
    assert {config.candidates[name].family for name in full - quick} >= BASELINES
