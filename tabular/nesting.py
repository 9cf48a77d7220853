"""What choosing flatters: the same search and choice within each outer fold, scored on rows that neither saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular.candidates import build
from tabular.contract import Contract
from tabular.metrics import Classes, rounded
from tabular.scoring import Inner, Scored, choose, fold_score, score_candidate
from tabular.training_config import BASELINES, Candidate, Nested, Validation


@dataclass(frozen=True, slots=True)
class Optimism:
    """How much better the chosen candidate looks than the way it was chosen is worth: `apparent` beside `nested`."""

    apparent: float
    """Mean of the selection metric of the chosen candidate."""
    nested: float
    """The same of the whole procedure, on rows that it did not choose by."""
    chosen: list[str]
    """The candidate that each outer fold chose."""


def inner_scores(
    contract: Contract,
    features: npt.NDArray[np.float32],
    truth: Classes,
    name: str,
    candidate: Candidate,
    space: dict[str, list[Any]],
    nested: Nested,
    metric: str,
    seed: int,
    jobs: int = 1,
) -> list[Inner]:
    """Tune a candidate within each outer fold and score it there; the arguments are those of `score_candidate`."""
    from sklearn.model_selection import StratifiedKFold

    found = []
    inside = Validation(folds=nested.inner, repeats=1)
    outer = StratifiedKFold(nested.outer, shuffle=True, random_state=seed)
    for train, test in outer.split(features, truth):
        known, labels = features[train], truth[train]
        best = score_candidate(contract, known, labels, name, candidate, space, inside, metric, seed, jobs)
        model = build(contract, best.family, best.parameters, seed).fit(known, labels)
        score = fold_score(metric, truth[test], np.asarray(model.predict_proba(features[test]), dtype=np.float64))
        found.append(
            Inner(
                name=name,
                family=best.family,
                complexity=best.complexity,
                parameters=best.parameters,
                mean=best.mean,
                standard_error=best.standard_error,
                outer=rounded(score),
            )
        )
    return found


def optimism(scores: Sequence[Scored], chosen: Scored, metric: str) -> Optimism | None:
    """Choose within each outer fold as the whole choice is made; None where no candidate was nested."""
    taking_part = [score for score in scores if score.family not in BASELINES]
    if not all(score.nested for score in taking_part):
        return None
    outer = [choose(fold, metric) for fold in zip(*(score.nested for score in taking_part), strict=True)]
    nested = rounded(float(np.mean([inner.outer for inner in outer])))
    return Optimism(chosen.mean, nested, [inner.name for inner in outer])
