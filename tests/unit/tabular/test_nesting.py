"""Nested cross-validation: what is chosen within a fold knows nothing of it, and what choosing flatters is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter

from tabular.choosing import make_choice
from tabular.nesting import Optimism, inner_scores, optimism
from tabular.scoring import Inner, Scored, score_candidate
from tabular.training_config import Candidate, Nested, Space, TrainingConfig, Validation
from tests.unit.tabular.conftest import Data

NESTED = Nested(outer=4, inner=3)


def scored(name: str, mean: float, family: str = "logistic", nested: list[Inner] | None = None) -> Scored:
    return Scored(name, family, 1, {}, mean, 0.0, [mean, mean], {}, [[0.7, 0.3], [0.2, 0.8]], 2, nested or [])  # type: ignore[arg-type]


def inner(name: str, mean: float, outer: float) -> Inner:
    return Inner(name, "logistic", 1, {}, mean, 0.0, outer)


def test_each_outer_fold_is_scored_by_what_was_chosen_without_it() -> None:
    first = scored("first", 0.30, nested=[inner("first", 0.2, 0.41), inner("first", 0.4, 0.1)])
    second = scored("second", 0.35, nested=[inner("second", 0.3, 0.2), inner("second", 0.3, 0.39)])
    shares = scored("shares", 0.01, "class_shares", [inner("shares", 0.0, 0.0)] * 2)
    assert optimism([first, second, shares], first, "log_loss") == Optimism(0.30, 0.40, ["first", "second"])


def test_what_a_store_gives_back_is_what_it_was_given() -> None:
    """ZenML writes dataclasses as JSON and reads them by their annotations; a field of `Any` comes back as a dict."""
    before = scored("first", 0.30, nested=[inner("first", 0.2, 0.41)])
    adapter = TypeAdapter(Scored)
    assert adapter.validate_json(adapter.dump_json(before)) == before


def test_without_nested_folds_nothing_is_said_of_optimism() -> None:
    assert optimism([scored("first", 0.3)], scored("first", 0.3), "log_loss") is None


def test_choosing_among_many_on_noise_flatters_and_is_found_out(heart: Data) -> None:
    """Labels that have nothing to do with the rows: the best of many trees looks better than the share of a coin."""
    truth = np.random.default_rng(2).permutation(heart.truth)
    candidate = Candidate(
        family="gradient_boosting",
        complexity=1,
        search=Space(full={"n_estimators": [1, 5, 20], "max_depth": [1, 3], "learning_rate": [0.05, 0.3]}),
    )
    arguments = (heart.contract, heart.features, truth, "noise", candidate, candidate.search.full)
    outside = score_candidate(*arguments, Validation(folds=3, repeats=1), "roc_auc", 7)
    found = inner_scores(*arguments, NESTED, "roc_auc", 7)
    assert len(found) == NESTED.outer
    result = optimism([replace(outside, nested=found)], outside, "roc_auc")
    assert result is not None
    assert result.apparent == outside.mean
    assert result.nested == pytest.approx(0.5, abs=0.1)
    assert result.nested < result.apparent, "an AUC is lower than it looked"


def test_threads_do_not_change_what_is_found(heart: Data, config: TrainingConfig) -> None:
    candidate = config.candidates["logistic"]
    arguments = (
        heart.contract,
        heart.features,
        heart.truth,
        "plain",
        candidate,
        {"C": [0.3, 3.0]},
        NESTED,
        "log_loss",
        7,
    )
    assert inner_scores(*arguments, 2) == inner_scores(*arguments, 1)


def test_a_baseline_is_never_chosen_and_must_be_beaten(config: TrainingConfig) -> None:
    shares, plain = scored("shares", 0.1, "class_shares"), scored("plain", 0.3)
    choice = make_choice([shares, plain], np.array([0, 1]), config.selection_metric, config.cost)
    assert choice.chosen is plain
    assert choice.baselines == {"shares": (-0.2, 0.0)}
    assert choice.optimism is None
