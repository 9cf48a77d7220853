"""What each gate says, at its edge and on evidence that is not there."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from project.errors import Exit, Refused
from tabular.behaviour import Observation
from tabular.champion import Champion
from tabular.gates import (
    Evidence,
    Verdict,
    Verdicts,
    at_most,
    behaviour,
    better_than_baselines,
    judge,
    minimum_quality,
    not_worse_than_champion,
    or_refuse,
    parity,
)
from tabular.metrics import Floats
from tabular.training_config import ChampionRule, GateSettings, MetricBound
from tests.unit.tabular.conftest import peak_memory

AUC = MetricBound(metric="roc_auc", at_least=0.85)
BRIER = MetricBound(metric="brier", at_most=0.15)
RULE = ChampionRule(confidence=0.95, resamples=500)
SETTINGS = GateSettings(
    minimum_quality=[AUC, BRIER],
    champion=RULE,
    maximum_parity_difference=1e-6,
    maximum_model_bytes=1_000,
    maximum_model_nodes=10,
)


def fresh(loss: Floats) -> Champion:
    """A champion that learnt from none of the rows."""
    return Champion(loss, np.zeros(len(loss), dtype=bool))


GOOD = Evidence(
    validation={"roc_auc": 0.9, "brier": 0.1},
    challenger_loss=np.full(40, 0.4),
    champion=None,
    parity_difference=1e-7,
    baselines={},
    gaps=[],
    behaviour=[Observation("age +10", passed=True, reason="age +10: risk +0.020 on average, at least 0")],
    model_bytes=900,
    model_nodes=9,
)


@pytest.mark.parametrize(
    ("gain", "error", "passed"),
    [(0.2, 0.1, True), (0.1, 0.1, False), (-0.1, 0.0, False), (math.nan, 0.1, False), (0.0, 0.0, False)],
)
def test_a_baseline_is_beaten_by_more_than_a_standard_error(gain: float, error: float, passed: bool) -> None:
    (verdict,) = better_than_baselines({"one_feature": (gain, error)})
    assert (verdict.gate, verdict.passed) == ("better than one_feature", passed)
    assert better_than_baselines({}) == []


@pytest.mark.parametrize(
    ("measured", "passed"),
    [
        pytest.param({"roc_auc": 0.91, "brier": 0.12}, [True, True], id="both hold"),
        pytest.param({"roc_auc": 0.85, "brier": 0.15}, [True, True], id="on the bound"),
        pytest.param({"roc_auc": 0.8499, "brier": 0.1501}, [False, False], id="just past the bound"),
        pytest.param({"roc_auc": math.nan, "brier": 0.12}, [False, True], id="not a number"),
        pytest.param({"brier": 0.12}, [False, True], id="not measured"),
        pytest.param({}, [False, False], id="nothing measured"),
    ],
)
def test_minimum_quality(measured: dict[str, float], passed: list[bool]) -> None:
    assert [verdict.passed for verdict in minimum_quality(measured, [AUC, BRIER])] == passed


def test_a_bound_s_reason_names_value_and_limit() -> None:
    assert minimum_quality({"roc_auc": 0.8, "brier": 0.2}, [AUC, BRIER]) == [
        Verdict("minimum roc_auc", passed=False, reason="roc_auc 0.800, at least 0.850"),
        Verdict("minimum brier", passed=False, reason="brier 0.200, at most 0.150"),
    ]
    assert minimum_quality({}, [AUC])[0].reason == "roc_auc was not measured"


def losses(mean: float, spread: float = 0.2, rows: int = 60) -> Floats:
    """Rows whose mean is exactly `mean`."""
    noise = np.random.default_rng(0).normal(0, spread, rows)
    return np.asarray(mean + noise - noise.mean())


@pytest.mark.parametrize(
    ("challenger", "champion", "passed"),
    [
        pytest.param(losses(0.3), losses(0.4), True, id="every row better"),
        pytest.param(losses(0.4), losses(0.4), True, id="tie"),
        pytest.param(losses(0.5), losses(0.4), False, id="every row worse"),
        pytest.param(losses(0.4) + losses(0.02, 0.2), losses(0.4), True, id="worse by less than noise"),
        pytest.param(losses(0.4) + losses(0.1, 0.2), losses(0.4), False, id="worse by more than noise"),
        pytest.param(losses(0.4, rows=1), losses(0.5, rows=1), True, id="one row, better"),
        pytest.param(losses(0.5, rows=1), losses(0.4, rows=1), False, id="one row, worse"),
        pytest.param(np.array([0.4, math.nan]), np.array([0.4, 0.4]), False, id="a challenger's row is not a number"),
        pytest.param(np.array([0.4, 0.4]), np.array([0.4, math.inf]), False, id="a champion's row is infinite"),
    ],
)
def test_not_worse_than_champion(challenger: Floats, champion: Floats, passed: bool) -> None:
    assert not_worse_than_champion(challenger, fresh(champion), RULE, seed=7).passed is passed


@pytest.mark.parametrize(
    ("champion", "reason"),
    [
        (None, "first model, nothing serves yet"),
        (
            Champion(loss=None, learnt=np.zeros(60, dtype=bool)),
            "not measured, the champion was made from other columns or classes",
        ),
    ],
)
def test_where_there_is_nothing_to_compare_with(champion: Champion | None, reason: str) -> None:
    verdict = not_worse_than_champion(losses(0.4), champion, RULE, seed=7)
    assert verdict == Verdict("not worse than champion", passed=True, reason=reason)


def test_pairs_count_rather_than_means() -> None:
    """A loss that is worse by 0.01 on each row is noise between the rows, and certain within the pairs."""
    champion = losses(0.4, spread=0.5)
    assert not not_worse_than_champion(champion + 0.01, fresh(champion), RULE, seed=7).passed
    shuffled = np.random.default_rng(1).permutation(champion)
    assert not_worse_than_champion(shuffled + 0.01, fresh(champion), RULE, seed=7).passed


def test_the_lower_bound_is_the_bootstrap_s() -> None:
    """For 200 normal differences the bound at 95 % lies 1.645 standard errors below the mean."""
    difference = losses(0.1, spread=0.4, rows=200)
    rule = ChampionRule(confidence=0.95, resamples=5000)
    reason = not_worse_than_champion(difference, fresh(np.zeros(200)), rule, seed=7).reason
    low = float(reason.rsplit("at least ", maxsplit=1)[1])
    assert low == pytest.approx(0.1 - 1.645 * float(difference.std()) / math.sqrt(200), abs=0.003)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param(30, ", on the 30 of 60 rows whose like it did not learn from", id="enough"),
        pytest.param(29, "; it learnt from the like of all but 29 of 60 rows, too few to compare on", id="too few"),
        pytest.param(0, "; it learnt from the like of all but 0 of 60 rows, too few to compare on", id="none"),
    ],
)
def test_rows_that_the_champion_learnt_from_are_left_out(rows: int, words: str) -> None:
    """It is worse than the challenger on what neither saw, and better by more where it saw the answer."""
    learnt, challenger = np.arange(60) >= rows, losses(0.4)
    champion = challenger + np.where(learnt, -0.3, 0.1)
    verdict = not_worse_than_champion(challenger, Champion(champion, learnt), RULE, seed=7)
    chosen = ~learnt if rows == 30 else np.ones(60, dtype=bool)
    alone = not_worse_than_champion(challenger[chosen], fresh(champion[chosen]), RULE, seed=7)
    assert (verdict.passed, verdict.reason) == (rows == 30, alone.reason + words)
    assert not not_worse_than_champion(challenger, fresh(champion), RULE, seed=7).passed


def test_the_verdict_is_that_of_resamples_drawn_at_once() -> None:
    challenger, champion = losses(0.4) + losses(0.05, 0.2), losses(0.4)
    difference = challenger - champion
    drawn = np.random.default_rng(7).integers(0, len(difference), (RULE.resamples, len(difference)))
    low = np.quantile(difference[drawn].mean(axis=1), 0.05)
    assert not_worse_than_champion(challenger, fresh(champion), RULE, seed=7).reason == (
        f"log loss {difference.mean():+.4f} against the champion, at 95% at least {low:+.4f}"
    )


def test_many_rows_are_judged_in_little_memory() -> None:
    """All resamples at once would take 640 MB: a position and a value for each of 2000 times 20,000 rows."""
    challenger, champion = losses(0.4, rows=20_000), losses(0.5, rows=20_000)
    rule = ChampionRule(confidence=0.95, resamples=2000)
    assert peak_memory(lambda: not_worse_than_champion(challenger, fresh(champion), rule, seed=7)) < 50_000_000


def test_a_higher_confidence_forgives_more() -> None:
    challenger, champion = losses(0.4) + losses(0.05, 0.2), losses(0.4)
    bold, careful = (ChampionRule(confidence=c, resamples=2000) for c in (0.8, 0.999))
    assert not not_worse_than_champion(challenger, fresh(champion), bold, seed=7).passed
    assert not_worse_than_champion(challenger, fresh(champion), careful, seed=7).passed


def test_the_same_seed_gives_the_same_verdict() -> None:
    challenger, champion = losses(0.4) + losses(0.05, 0.2), losses(0.4)
    once, again, other = (not_worse_than_champion(challenger, fresh(champion), RULE, seed) for seed in (7, 7, 8))
    assert once == again
    assert once.reason != other.reason


@pytest.mark.parametrize(
    ("difference", "passed"),
    [
        pytest.param(0.0, True, id="equal"),
        pytest.param(1e-6, True, id="on the limit"),
        pytest.param(1.1e-6, False, id="above"),
        pytest.param(math.nan, False, id="not a number"),
    ],
)
def test_parity(difference: float, passed: bool) -> None:
    assert parity(difference, 1e-6).passed is passed


def test_size_on_and_above_its_limit() -> None:
    assert at_most("model size", 1_000, 1_000, "bytes") == Verdict(
        "model size", passed=True, reason="1,000 bytes, at most 1,000"
    )
    assert not at_most("model size", 1_001, 1_000, "bytes").passed


def test_behaviour_tells_of_each_failure() -> None:
    held = Observation("a", passed=True, reason="a holds")
    failed = [Observation(name, passed=False, reason=f"{name} fails") for name in "bc"]
    assert [v.reason for v in behaviour([held, *failed])] == ["b fails", "c fails"]
    assert behaviour([held, held]) == [Verdict("behaviour", passed=True, reason="2 of 2 tests hold")]
    assert behaviour([]) == [Verdict("behaviour", passed=True, reason="the contract states no tests")]


def test_every_gate_runs_in_the_order_of_the_report() -> None:
    verdicts = judge(GOOD, SETTINGS, seed=7)
    assert [(v.gate, v.passed) for v in verdicts] == [
        ("minimum roc_auc", True),
        ("minimum brier", True),
        ("not worse than champion", True),
        ("parity", True),
        ("behaviour", True),
        ("model size", True),
        ("model nodes", True),
    ]
    or_refuse(Verdicts(verdicts), "pets version v1")


@pytest.mark.parametrize(
    ("evidence", "gate"),
    [
        pytest.param(replace(GOOD, validation={"roc_auc": 0.5, "brier": 0.1}), "minimum roc_auc", id="quality"),
        pytest.param(
            replace(GOOD, champion=fresh(np.full(40, 0.3))),
            "not worse than champion: log loss +0.1000",
            id="champion",
        ),
        pytest.param(replace(GOOD, parity_difference=1e-3), "parity: ONNX differs", id="parity"),
        pytest.param(
            replace(GOOD, behaviour=[Observation("x", False, "x fails")]), "behaviour: x fails", id="behaviour"
        ),
        pytest.param(replace(GOOD, model_bytes=1_001), "model size: 1,001 bytes, at most 1,000", id="size"),
        pytest.param(replace(GOOD, model_nodes=11), "model nodes: 11 nodes, at most 10", id="nodes"),
    ],
)
def test_each_gate_alone_refuses(evidence: Evidence, gate: str) -> None:
    verdicts = judge(evidence, SETTINGS, seed=7)
    assert sum(not verdict.passed for verdict in verdicts) == 1
    with pytest.raises(Refused) as refusal:
        or_refuse(Verdicts(verdicts), "pets version v2")
    assert refusal.value.exit_code is Exit.REFUSED
    assert refusal.value.cause.startswith(f"pets version v2 was not promoted. {gate}")


def test_a_refusal_gives_every_reason() -> None:
    evidence = replace(GOOD, validation={}, model_bytes=2_000)
    with pytest.raises(Refused) as refusal:
        or_refuse(Verdicts(judge(evidence, SETTINGS, seed=7)), "pets version v2")
    assert refusal.value.cause == (
        "pets version v2 was not promoted. minimum roc_auc: roc_auc was not measured;"
        " minimum brier: brier was not measured; model size: 2,000 bytes, at most 1,000"
    )
