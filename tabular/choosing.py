"""From scores to a choice: candidate and threshold, both on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tabular.metrics import Classes, rounded
from tabular.nesting import Optimism, optimism
from tabular.scoring import Scored, choose, choose_threshold, corrected_standard_error
from tabular.training_config import BASELINES, LOSSES, Cost


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, its threshold, and all it was chosen from."""

    chosen: Scored
    threshold: float | None
    leaderboard: list[Scored]
    baselines: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Baseline to the mean by which the chosen candidate is better on the same folds, and its standard error."""
    optimism: Optimism | None = None
    """None where nested cross-validation was not asked for."""


def make_choice(scores: Sequence[Scored], truth: Classes, metric: str, cost: Cost) -> Choice:
    """Choose by the one-standard-error rule and, for two classes, set the threshold at the lowest cost."""
    chosen = choose(scores, metric)
    probabilities = np.array(chosen.probabilities)
    binary = probabilities.shape[1] == 2
    threshold = choose_threshold(truth, probabilities[:, 1], cost) if binary else None
    flattery = optimism(scores, chosen, metric)
    return Choice(chosen, threshold, sorted(scores, key=lambda s: s.name), _gains(scores, chosen, metric), flattery)


def _gains(scores: Sequence[Scored], chosen: Scored, metric: str) -> dict[str, tuple[float, float]]:
    sign = 1 if metric in LOSSES else -1
    gains = {s.name: sign * np.subtract(s.folds, chosen.folds) for s in scores if s.family in BASELINES}
    return {
        name: (rounded(float(gain.mean())), rounded(corrected_standard_error(gain.tolist(), chosen.splits)))
        for name, gain in gains.items()
    }
