"""From scores to a choice: candidate and threshold, both on validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tabular.metrics import Classes
from tabular.scoring import Scored, choose, choose_threshold
from tabular.training_config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen candidate, its threshold, and all it was chosen from."""

    chosen: Scored
    threshold: float | None
    leaderboard: list[Scored]


def make_choice(scores: Sequence[Scored], truth: Classes, config: TrainingConfig) -> Choice:
    """Choose by the one-standard-error rule and, for two classes, set the threshold at the lowest cost."""
    chosen = choose(scores, config.selection_metric)
    probabilities = np.array(chosen.probabilities)
    binary = probabilities.shape[1] == 2
    threshold = choose_threshold(truth, probabilities[:, 1], config.cost) if binary else None
    return Choice(chosen, threshold, sorted(scores, key=lambda s: s.name))
