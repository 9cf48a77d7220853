"""Rules of the pipeline configs that a type alone does not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.utils._param_validation import InvalidParameterError

from project.errors import ConfigError
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular.candidates import Parameters, build
from tabular.drift import MonitoringConfig
from tabular.training_config import SEARCHABLE, Family, TrainingConfig, Value
from tests.unit.tabular.conftest import Data


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("seed: 7", "seed: -1", "'seed' is -1", id="a seed that NumPy does not take"),
        pytest.param("test_share: 0.2", "test_share: 1", "'test_share' is 1", id="nothing to learn from"),
        pytest.param("folds: 5,", "folds: 1,", "'profiles.quick.folds' is 1", id="one fold"),
        pytest.param("false_negative: 2", "false_negative: 0", "'cost.false_negative' is 0", id="a miss for free"),
        pytest.param("log_loss  ", "log_los  ", "'selection_metric' is 'log_los'", id="no such metric"),
        pytest.param("family: logistic", "family: logistics", "'candidates.logistic.family'", id="no such family"),
        pytest.param(
            "quick: {C:",
            "quick: {c:",
            "logistic has no parameter 'c'; allowed: C, calibration, class_weight",
            id="no such parameter",
        ),
        pytest.param(
            "quick: {C: [0.03", "quick: {C: [0", "search.quick.C.0: 0 is not a number above 0", id="a penalty of none"
        ),
        pytest.param("quick: {C: [0.03, 0.3, 3]", "quick: {C: []", "expected 1 or more entries", id="nothing to try"),
        pytest.param(
            "max_features: [sqrt", "max_features: [sqr", "'sqr' is not sqrt, log2, null, a whole number", id="a word"
        ),
        pytest.param("at_least: 0.75", "at_most: 0.75", "roc_auc is bounded by 'at_least'", id="a bound upside down"),
        pytest.param(
            "at_least: 0.75", "at_least: 0.7, at_most: 0.9", "give one of 'at_least' and 'at_most'", id="both"
        ),
        pytest.param(", at_least: 0.75", "", "give one of 'at_least' and 'at_most'", id="no bound"),
        pytest.param("confidence: 0.95", "confidence: 0.5", "'gates.champion.confidence' is 0.5", id="a coin"),
    ],
)
def test_training(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (CONFIGS / "training.yaml").read_text(encoding="utf-8")
    line = text[: text.index(old)].count("\n") + 1
    path = tmp_path / "training.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        read_yaml(path, TrainingConfig)
    assert refusal.value.cause.startswith(f"{path}:{line}: ")
    assert message in refusal.value.cause


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("watch_from: 0.1", "watch_from: 0.5", "watch_from 0.5 is above retrain_from 0.4", id="order"),
        pytest.param("minimum_rows: 50", "minimum_rows: 0", "'drift.minimum_rows' is 0", id="no rows"),
        pytest.param("retrain_from: 0.4", "retrain_from: 1.4", "'drift.retrain_from' is 1.4", id="more than all"),
        pytest.param(
            "shares: expectation",
            "shares: count",
            "'shares' must be 'expectation'",
            id="an interval of another estimate",
        ),
    ],
)
def test_monitoring(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "monitoring.yaml"
    path.write_text((CONFIGS / "monitoring.yaml").read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        read_yaml(path, MonitoringConfig)
    assert message in refusal.value.cause


VALUES: tuple[Value, ...] = (0, 1, 2, -1, 0.5, 1.5, 0.0, None, "sqrt", "log2", "balanced", "many")


@pytest.mark.parametrize(
    ("family", "parameter"), [(family, name) for family, names in SEARCHABLE.items() for name in names]
)
def test_what_may_be_tried_is_what_scikit_learn_takes(family: Family, parameter: str, heart: Data) -> None:
    """Whatever passes the config fits, and whatever it refuses scikit-learn refuses too, a few odd cases aside."""
    features, truth = heart.features[:30], heart.truth[:30]
    trees = "n_estimators" in SEARCHABLE[family] and parameter != "n_estimators"
    small: Parameters = {"n_estimators": 1} if trees else {}

    def fits(value: Value) -> bool:
        try:
            build(heart.contract, family, {**small, parameter: value}, seed=1).fit(features, truth)
        except (InvalidParameterError, ValueError):
            return False
        return True

    kind = SEARCHABLE[family][parameter]
    taken: list[Any] = [value for value in VALUES if fits(value)]
    assert [value for value in VALUES if kind.holds(value)] == [
        value for value in taken if (parameter, value) not in ODD
    ]


ODD = {("learning_rate", 0), ("learning_rate", 0.0)}
"""Taken by scikit-learn, and no search: nothing is learnt at a rate of 0."""
