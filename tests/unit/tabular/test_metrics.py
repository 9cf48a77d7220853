"""Our metrics beside scikit-learn's on the same arrays, and where they are not defined."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs

from tabular import metrics
from tabular.metrics import (
    Classes,
    Floats,
    balanced_accuracy,
    bootstrap_intervals,
    bootstrap_means,
    brier,
    decide,
    measure,
    rank_auc,
    roc_auc,
    rounded,
    row_log_loss,
)


def sample(classes: int, rows: int = 200) -> tuple[Classes, Floats]:
    """Probabilities with ties, better than chance."""
    draw = np.random.default_rng(classes)
    truth = draw.integers(0, classes, rows)
    raw = draw.random((rows, classes)).round(1) + 0.05 + 0.4 * np.eye(classes)[truth]
    return truth, raw / raw.sum(axis=1, keepdims=True)


def test_two_classes_as_scikit_learn_has_them() -> None:
    truth, p = sample(2)
    decision = (p[:, 1] >= 0.3).astype(int)
    assert measure(truth, p, 0.3) == pytest.approx(
        {
            "roc_auc": theirs.roc_auc_score(truth, p[:, 1]),
            "log_loss": theirs.log_loss(truth, p),
            "log_loss_skill": theirs.d2_log_loss_score(truth, p),
            "brier": theirs.brier_score_loss(truth, p[:, 1]),
            "accuracy": theirs.accuracy_score(truth, decision),
            "balanced_accuracy": theirs.balanced_accuracy_score(truth, decision),
            "majority": max(truth.mean(), 1 - truth.mean()),
            "sensitivity": theirs.recall_score(truth, decision),
            "specificity": theirs.recall_score(truth, decision, pos_label=0),
        }
    )


def test_three_classes_as_scikit_learn_has_them() -> None:
    truth, p = sample(3)
    found = measure(truth, p, None)
    assert found == pytest.approx(
        {
            "roc_auc": theirs.roc_auc_score(truth, p, multi_class="ovr"),
            "log_loss": theirs.log_loss(truth, p),
            "log_loss_skill": theirs.d2_log_loss_score(truth, p),
            "brier": ((p - np.eye(3)[truth]) ** 2).sum() / len(truth) / 2,
            "accuracy": theirs.accuracy_score(truth, p.argmax(axis=1)),
            "balanced_accuracy": theirs.balanced_accuracy_score(truth, p.argmax(axis=1)),
            "majority": np.bincount(truth).max() / len(truth),
        }
    )


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0])), min_size=2, max_size=40))
def test_rank_auc_is_the_share_of_pairs_in_order(rows: list[tuple[bool, float]]) -> None:
    positive, score = np.array([p for p, _ in rows]), np.array([s for _, s in rows])
    pairs = [(a > b) + (a == b) / 2 for a in score[positive] for b in score[~positive]]
    if pairs:
        assert rank_auc(positive, score) == pytest.approx(float(np.mean(pairs)))
    else:
        assert math.isnan(rank_auc(positive, score))


def test_a_single_class_has_no_auc_and_no_skill() -> None:
    truth, p = np.zeros(5, dtype=np.int64), np.tile([0.8, 0.2], (5, 1))
    found = measure(truth, p, 0.5)
    assert [name for name, value in found.items() if math.isnan(value)] == ["roc_auc", "log_loss_skill", "sensitivity"]
    assert (found["accuracy"], found["majority"], found["specificity"]) == (1.0, 1.0, 1.0)
    three = measure(np.array([0, 1, 0]), np.full((3, 3), 1 / 3), None)
    assert math.isnan(three["roc_auc"])
    assert three["balanced_accuracy"] == 0.5


def test_a_certain_and_wrong_answer_costs_much_and_not_infinitely() -> None:
    assert row_log_loss(np.array([1, 0]), np.array([[1.0, 0.0], [1.0, 0.0]])).tolist() == pytest.approx([34.5388, 0.0])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(0.4, [0, 1, 1], id="on the threshold counts as above"),
        pytest.param(0.41, [0, 0, 1], id="just below"),
        pytest.param(None, [0, 0, 1], id="the likeliest"),
    ],
)
def test_decide(threshold: float | None, expected: list[int]) -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    assert decide(p, threshold).tolist() == expected


def test_balanced_accuracy_counts_the_classes_that_occur() -> None:
    assert balanced_accuracy(np.array([0, 0, 0, 2]), np.array([0, 0, 1, 2])) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("metric", [roc_auc, brier])
def test_the_interval_holds_the_figure_and_narrows_with_rows(metric: Any) -> None:
    def interval(rows: int) -> tuple[float, float]:
        return bootstrap_intervals(*sample(2, rows), lambda t, p: {"figure": metric(t, p)}, 200, seed=3)["figure"]

    wide, narrow = interval(60), interval(2000)
    figure = metric(*sample(2, 60))
    assert wide[0] < figure < wide[1]
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 3
    assert wide == interval(60)


def test_the_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(0.0, 1.0, 400)
    (interval,) = bootstrap_intervals(
        np.zeros(400, dtype=np.int64), values[:, None], lambda _, rows: {"mean": float(rows.mean())}, 2000, seed=1
    ).values()
    error = float(values.std()) / 20
    assert interval == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.01)


@pytest.mark.parametrize(("rows", "block"), [(7, 1_000_000), (7, 20), (1, 3), (3001, 1000), (3001, 9003)])
def test_means_drawn_in_blocks_are_those_drawn_at_once(rows: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "BLOCK", block)
    values = np.random.default_rng(0).normal(0.0, 1.0, (2, rows))
    drawn = np.random.default_rng(7).integers(0, rows, (50, rows))
    np.testing.assert_array_equal(bootstrap_means(list(values), 50, seed=7), [v[drawn].mean(axis=1) for v in values])


def test_no_interval_where_no_draw_has_both_classes() -> None:
    truth, said = np.zeros(5, dtype=np.int64), np.tile([0.8, 0.2], (5, 1))
    low, high = bootstrap_intervals(truth, said, lambda t, p: {"auc": roc_auc(t, p)}, 20, seed=0)["auc"]
    assert math.isnan(low)
    assert math.isnan(high)


def test_stored_figures_have_six_digits() -> None:
    assert rounded(0.12345649) == 0.123456
    assert math.isnan(rounded(math.nan))
