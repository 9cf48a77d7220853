"""Gates: what a challenger must prove before it may serve. Pure and deterministic, on by default."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from project.errors import Refused
from tabular.behaviour import Observation
from tabular.champion import Champion
from tabular.metrics import Floats, bootstrap_means
from tabular.segment_gaps import Gap
from tabular.training_config import ChampionRule, GateSettings, MetricBound

FEWEST = 30
"""Rows on which a comparison can rest: with 30 the lower bound of a mean lies 5 % too near to it, and nearer with fewer
(a percentile bootstrap's 1.645 * sqrt(29 / 30) standard errors beside Student's 1.699)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said, and why."""

    gate: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What every gate said, in the order of the report."""

    items: list[Verdict]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the gates look at."""

    validation: Mapping[str, float]
    """Metrics of the challenger's out-of-fold probabilities."""
    challenger_loss: Floats
    """Log loss of each held-out row, (rows,)."""
    champion: Champion | None
    """The champion on the same rows; None for a first model."""
    parity_difference: float
    baselines: Mapping[str, tuple[float, float]]
    """Baseline to the mean by which the challenger is better on the same folds, and its standard error."""
    gaps: Sequence[Gap]
    behaviour: Sequence[Observation]
    model_bytes: int
    model_nodes: int


def judge(evidence: Evidence, settings: GateSettings, seed: int) -> list[Verdict]:
    """Run every gate; the order is that of the report."""
    return [
        *minimum_quality(evidence.validation, settings.minimum_quality),
        *better_than_baselines(evidence.baselines),
        *(narrow_gap(gap) for gap in evidence.gaps),
        not_worse_than_champion(evidence.challenger_loss, evidence.champion, settings.champion, seed),
        parity(evidence.parity_difference, settings.maximum_parity_difference),
        *behaviour(evidence.behaviour),
        at_most("model size", evidence.model_bytes, settings.maximum_model_bytes, "bytes"),
        at_most("model nodes", evidence.model_nodes, settings.maximum_model_nodes, "nodes"),
    ]


def minimum_quality(measured: Mapping[str, float], bounds: Sequence[MetricBound]) -> list[Verdict]:
    """Judge each bound; a metric that is missing or not a number fails.

    Args:
        measured: Metric name to its value on validation rows (unitless, in the metric's own range).
        bounds: As configured under `gates.minimum_quality`.

    Returns:
        One verdict per bound, in the order of `bounds`.
    """
    return [_bound(measured.get(bound.metric, math.nan), bound) for bound in bounds]


def better_than_baselines(gains: Mapping[str, tuple[float, float]]) -> list[Verdict]:
    """Fail when a baseline is not beaten by more than one standard error; the profile may have none."""
    return [
        Verdict(f"better than {name}", gain > error, f"by {gain:.4f} a fold, standard error {error:.4f}")
        for name, (gain, error) in gains.items()
    ]


def narrow_gap(gap: Gap) -> Verdict:
    """Fail when a gap between two parts of a segment is larger than allowed by more than chance explains."""
    low, high = gap.interval
    return Verdict(
        f"{gap.metric} by {gap.segment}",
        low <= gap.at_most,  # NaN compares false
        f"{gap.worst} ({gap.rows[1]} rows) {gap.value:.3f} behind {gap.best} ({gap.rows[0]} rows),"
        f" 95 % interval {low:.3f} to {high:.3f}, whose lower end may be {gap.at_most:g}",
    )


def not_worse_than_champion(challenger: Floats, champion: Champion | None, rule: ChampionRule, seed: int) -> Verdict:
    """Fail when the challenger's loss is higher than the champion's by more than noise explains.

    A paired bootstrap of the mean difference over the same held-out rows (Efron and Tibshirani 1993, ch. 16);
    a tie passes, so that retraining on fresh data is not blocked by luck. Rows that the champion learnt from flatter it
    and are left out, unless fewer than `FEWEST` others remain.

    Args:
        challenger: Log loss per row, (rows,).
        champion: The champion on the same rows, or None for a first model.
        rule: One-sided confidence and number of resamples.
        seed: For the resamples.
    """
    gate = "not worse than champion"
    if champion is None:
        return Verdict(gate, passed=True, reason="first model, nothing serves yet")
    if champion.loss is None:
        return Verdict(gate, passed=True, reason="not measured, the champion was made from other columns or classes")
    difference = challenger - champion.loss
    if not np.isfinite(difference).all():
        return Verdict(gate, passed=False, reason="the loss of a row is not a number")
    among = ""
    if champion.learnt.any():
        rest = difference[~champion.learnt]
        if len(rest) < FEWEST:
            among = f"; it learnt from the like of all but {len(rest)} of {len(difference)} rows, too few to compare on"
        else:
            among = f", on the {len(rest)} of {len(difference)} rows whose like it did not learn from"
            difference = rest
    low = float(np.quantile(bootstrap_means([difference], rule.resamples, seed), 1 - rule.confidence))
    against = f"log loss {difference.mean():+.4f} against the champion, at {rule.confidence:.0%} at least {low:+.4f}"
    return Verdict(gate, passed=low <= 0, reason=against + among)


def parity(difference: float, worst: float) -> Verdict:
    """Fail when the exported model answers otherwise than the trained one."""
    passed = difference <= worst  # NaN compares false
    return Verdict("parity", passed, f"ONNX differs from scikit-learn by {difference:.1e}, at most {worst:.0e}")


def behaviour(observations: Sequence[Observation]) -> list[Verdict]:
    """One verdict per failed observation, or one that counts them."""
    failed = [Verdict("behaviour", passed=False, reason=seen.reason) for seen in observations if not seen.passed]
    count = len(observations)
    held = f"{count} of {count} tests hold" if count else "the contract states no tests"
    return failed or [Verdict("behaviour", passed=True, reason=held)]


def at_most(gate: str, value: int, limit: int, unit: str) -> Verdict:
    """Fail above a limit."""
    return Verdict(gate, value <= limit, f"{value:,} {unit}, at most {limit:,}")


def or_refuse(verdicts: Verdicts, challenger: str) -> None:
    """Raise `Refused` with every reason when a gate said no."""
    failed = [f"{verdict.gate}: {verdict.reason}" for verdict in verdicts.items if not verdict.passed]
    if failed:
        raise Refused(f"{challenger} was not promoted. {'; '.join(failed)}", "python run.py status")


def _bound(value: float, bound: MetricBound) -> Verdict:
    gate = f"minimum {bound.metric}"
    if math.isnan(value):
        return Verdict(gate, passed=False, reason=f"{bound.metric} was not measured")
    if bound.at_least is not None:
        return Verdict(gate, value >= bound.at_least, f"{bound.metric} {value:.3f}, at least {bound.at_least:.3f}")
    assert bound.at_most is not None  # noqa: S101  the schema asks for one of the two
    return Verdict(gate, value <= bound.at_most, f"{bound.metric} {value:.3f}, at most {bound.at_most:.3f}")
