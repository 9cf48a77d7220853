"""Gaps between segments: found where they are, not where chance made them, and a gate that is off unless asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.expectations import Segment
from tabular.gates import narrow_gap
from tabular.judging import judge_bundle
from tabular.metrics import Classes, Floats
from tabular.packaging import Packaged
from tabular.scoring import Scored
from tabular.segment_gaps import Gap, segment_gaps
from tabular.training_config import GapBound, TrainingConfig
from tests.unit.tabular.conftest import Data

SENSITIVITY = GapBound(metric="sensitivity", at_most=0.1)


def answers(data: Data, missed: float) -> tuple[Classes, Floats]:
    """Every sick man is found, and all but a share of the sick women; nobody else is called sick."""
    draw, truth = np.random.default_rng(1), data.truth
    women = (data.train["sex"] == 0).to_numpy(dtype=bool)
    found = (truth == 1) & ~(women & (draw.random(len(truth)) < missed))
    positive = np.where(found, 0.9, 0.1)
    return truth, np.column_stack([1 - positive, positive])


def test_a_gap_is_found_where_it_is(heart: Data) -> None:
    gaps = segment_gaps(heart.contract, heart.train, *answers(heart, missed=0.7), 0.5, [SENSITIVITY], seed=1)
    by_sex = next(gap for gap in gaps if gap.segment == "sex")
    women, men = ((heart.train["sex"] == code).sum() for code in (0, 1))
    assert (by_sex.best, by_sex.worst, by_sex.rows) == ("male", "female", (men, women))
    assert by_sex.value == pytest.approx(0.7, abs=0.2)
    assert 0.1 < by_sex.interval[0] < by_sex.value < by_sex.interval[1]
    verdict = narrow_gap(by_sex)
    assert (verdict.gate, verdict.passed) == ("sensitivity by sex", False)
    assert verdict.reason.startswith(f"female ({women} rows) 0.")


def test_no_gap_is_none(heart: Data) -> None:
    gaps = segment_gaps(heart.contract, heart.train, *answers(heart, missed=0), 0.5, [SENSITIVITY], seed=1)
    assert {gap.segment for gap in gaps} == {"sex", "age"}
    assert {(gap.value, gap.interval) for gap in gaps} == {(0.0, (0.0, 0.0))}
    assert all(narrow_gap(gap).passed for gap in gaps)


def test_a_row_without_the_value_is_in_no_part(heart: Data) -> None:
    """Four patients of Cleveland have no number of vessels, which is a whole number with gaps."""
    by_vessels = heart.contract.model_copy(update={"segments": {"vessels": Segment(feature="ca", edges=[1])}})
    (gap,) = segment_gaps(by_vessels, heart.train, *answers(heart, missed=0.7), 0.5, [SENSITIVITY], seed=1)
    assert heart.train["ca"].isna().any()
    assert sum(gap.rows) == heart.train["ca"].notna().sum()
    assert {gap.best, gap.worst} == {"below 1", "1 and above"}


def test_of_a_loss_the_larger_is_the_worse(heart: Data) -> None:
    bound = GapBound(metric="log_loss", at_most=0.1)
    gaps = segment_gaps(heart.contract, heart.train, *answers(heart, missed=0.7), 0.5, [bound], seed=1)
    by_sex = next(gap for gap in gaps if gap.segment == "sex")
    assert (by_sex.best, by_sex.worst) == ("male", "female")
    assert by_sex.value > 0


@pytest.mark.parametrize(
    ("low", "passed"), [(0.05, True), (0.1, True), (0.1001, False), (float("nan"), False), (-0.2, True)]
)
def test_only_what_chance_does_not_explain_fails(low: float, passed: bool) -> None:
    gap = Gap("sex", "sensitivity", "male", "female", (160, 80), 0.3, (low, 0.5), 0.1)
    assert narrow_gap(gap).passed is passed


def test_segments_too_small_to_compare_have_no_gap(heart: Data) -> None:
    few = heart.train.head(12)
    truth, said = answers(heart, missed=0)
    assert segment_gaps(heart.contract, few, truth[:12], said[:12], 0.5, [SENSITIVITY], seed=1) == []


def test_the_gate_is_off_unless_it_is_asked_for(
    heart: Data, heart_packaged: Packaged, heart_scored: Scored, config: TrainingConfig
) -> None:
    def gates(contract: Contract, bounds: list[GapBound]) -> dict[str, bool]:
        settings = config.gates.model_copy(update={"segment_gaps": bounds})
        choice = Choice(replace(heart_scored), 0.33, [heart_scored])
        verdicts = judge_bundle(
            contract, heart_packaged.bundle, choice, 0.0, heart.train, heart.test, None, settings, 7
        )
        return {verdict.gate: verdict.passed for verdict in verdicts.items}

    assert config.gates.segment_gaps == []
    off = gates(heart.contract, [])
    on = gates(heart.contract, [GapBound(metric="roc_auc", at_most=0.2)])
    assert on.keys() - off.keys() == {"roc_auc by sex", "roc_auc by age"}
    assert all(on.values())
    assert gates(heart.contract.model_copy(update={"segments": {}}), [SENSITIVITY]).keys() == off.keys()
