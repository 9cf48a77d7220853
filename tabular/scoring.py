"""Score candidates by repeated cross-validation, choose one, and choose its threshold: validation data only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from project.errors import Refused
from tabular.candidates import ENCODING, Parameters, build, grid
from tabular.contract import Contract
from tabular.metrics import Classes, Floats, brier, measure, roc_auc, rounded, row_log_loss
from tabular.training_config import BASELINES, LOSSES, Candidate, Cost, Family, Validation, Value

LOGGER = logging.getLogger(__name__)
Tried = TypeVar("Tried", "Scored", "Inner")


@dataclass(frozen=True, slots=True)
class Inner:
    """A candidate as it was tuned without an outer fold, and its score on that fold."""

    name: str
    family: Family
    complexity: int
    parameters: Parameters
    mean: float
    standard_error: float
    outer: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A candidate with its best parameters and what cross-validation says of them."""

    name: str
    family: Family
    complexity: int
    parameters: Parameters
    mean: float
    """Mean of the selection metric over all folds."""
    standard_error: float
    """Of that mean, corrected for folds that share training rows (Nadeau and Bengio 2003, Machine Learning 52)."""
    folds: list[float]
    metrics: dict[str, float] = field(repr=False)
    """All metrics of the out-of-fold probabilities at the default threshold."""
    probabilities: list[list[float]] = field(repr=False)
    """Out-of-fold probabilities, (rows, classes), averaged over the repeats."""
    splits: int
    """Folds of one repeat."""
    nested: list[Inner] = field(default_factory=list, repr=False)
    """One per outer fold; empty where nested cross-validation was not asked for."""


def score_candidate(
    contract: Contract,
    features: npt.NDArray[np.float32],
    truth: Classes,
    name: str,
    candidate: Candidate,
    space: dict[str, list[Any]],
    validation: Validation,
    metric: str,
    seed: int,
    jobs: int = 1,
) -> Scored:
    """Try every parameter combination on the same folds and keep the best.

    Args:
        contract: Kind of each column.
        features: (rows, features), NaN for missing.
        truth: Class indices, (rows,).
        name: The candidate's name in the configuration.
        candidate: Family and complexity.
        space: Values to try per parameter.
        validation: Folds and repeats.
        metric: `log_loss`, `brier` (lower is better) or `roc_auc`.
        seed: For the folds and for estimators that draw.
        jobs: Threads; the result does not depend on it.

    Returns:
        The best combination; of equal ones the first written.

    Raises:
        Refused: A class has fewer rows than there are folds, so that some fold would know nothing of it.
    """
    from joblib import Parallel, delayed
    from sklearn.model_selection import RepeatedStratifiedKFold

    counts = np.bincount(truth, minlength=len(contract.target.labels))
    if counts.min() < validation.folds:
        raise Refused(
            f"class {contract.target.labels[int(counts.argmin())]!r} has {counts.min()} rows to learn from;"
            f" cross-validation in {validation.folds} folds needs one for each",
            "collect more rows of it, join it with another class, or ask for fewer folds in configs/training.yaml",
        )
    splits = list(
        RepeatedStratifiedKFold(n_splits=validation.folds, n_repeats=validation.repeats, random_state=seed).split(
            features, truth
        )
    )
    points = grid(space)
    fitting = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(
        delayed(_fit_and_predict)(contract, candidate.family, points, seed, features, truth, train, test)
        for train, test in splits
    )
    fits = []
    for fit in fitting:
        fits.append(fit)
        LOGGER.info("score_%s: %d of %d folds", name, len(fits), len(splits))
    best: Scored | None = None
    for index, point in enumerate(points):
        held_out = [of_points[index] for of_points in fits]
        folds = [fold_score(metric, truth[test], p) for (_, test), p in zip(splits, held_out, strict=True)]
        mean = rounded(float(np.mean(folds)))
        if best is not None and not _better(mean, best.mean, metric):
            continue
        pooled = np.zeros((len(truth), held_out[0].shape[1]))
        for (_, test), probabilities in zip(splits, held_out, strict=True):
            pooled[test] += probabilities / validation.repeats
        best = Scored(
            name=name,
            family=candidate.family,
            complexity=candidate.complexity,
            parameters=point,
            mean=mean,
            standard_error=rounded(corrected_standard_error(folds, validation.folds)),
            folds=[rounded(value) for value in folds],
            metrics={key: rounded(value) for key, value in measure(truth, pooled, None).items()},
            probabilities=pooled.tolist(),
            splits=validation.folds,
        )
    assert best is not None  # noqa: S101  a space has at least one point
    return best


def corrected_standard_error(folds: Sequence[float], splits: int) -> float:
    """Standard error of a mean over repeated folds: sqrt((1/J + n_test/n_train) * variance), Nadeau and Bengio 2003."""
    if len(folds) < 2:
        return 0.0
    return float(np.sqrt((1 / len(folds) + 1 / (splits - 1)) * np.var(folds, ddof=1)))


def choose(scores: Sequence[Tried], metric: str) -> Tried:
    """One-standard-error rule: the simplest candidate within one standard error of the best (Breiman et al. 1984).

    Of equally simple ones the better, then the first by name, so that the choice never depends on the order.
    A baseline is never chosen.
    """
    sign = 1 if metric in LOSSES else -1
    taking_part = [s for s in scores if s.family not in BASELINES]
    best = min(taking_part, key=lambda s: (sign * s.mean, s.complexity, s.name))
    near = [s for s in taking_part if sign * (s.mean - best.mean) <= best.standard_error]
    return min(near, key=lambda s: (s.complexity, sign * s.mean, s.name))


def choose_threshold(truth: Classes, positive: Floats, cost: Cost) -> float:
    """The probability from which on the positive class is answered, at the lowest total cost on validation rows.

    Args:
        truth: 0 or 1, (rows,).
        positive: Out-of-fold probability of the positive class, (rows,).
        cost: Of a miss and of a false alarm.

    Returns:
        The middle of the cheapest interval between two neighbouring probabilities; of equally cheap ones the
        one nearest to the cost ratio's own threshold fp / (fp + fn) (Elkan 2001), rounded to 4 digits.
    """
    values = np.unique(np.concatenate(([0.0], positive, [1.0])))
    middles = (values[1:] + values[:-1]) / 2
    misses = np.searchsorted(np.sort(positive[truth == 1]), middles)
    alarms = (truth == 0).sum() - np.searchsorted(np.sort(positive[truth == 0]), middles)
    costs = cost.false_negative * misses + cost.false_positive * alarms
    theory = cost.false_positive / (cost.false_positive + cost.false_negative)
    cheapest = middles[costs == costs.min()]
    return round(float(cheapest[np.abs(cheapest - theory).argmin()]), 4)


def _fit_and_predict(
    contract: Contract,
    family: Family,
    points: Sequence[Parameters],
    seed: int,
    features: npt.NDArray[np.float32],
    truth: Classes,
    train: Classes,
    test: Classes,
) -> list[Floats]:
    """Probabilities of the test rows for each parameter combination; those that encode alike share one encoding."""
    found: list[Floats] = []
    encodings: dict[tuple[Value, ...], tuple[Any, Any]] = {}
    for parameters in points:
        model = build(contract, family, parameters, seed)
        key = tuple(value for name, value in parameters.items() if name in ENCODING)
        if key not in encodings:
            encode = model[:-1].fit(features[train])
            encodings[key] = encode.transform(features[train]), encode.transform(features[test])
        encoded, unseen = encodings[key]
        found.append(np.asarray(model[-1].fit(encoded, truth[train]).predict_proba(unseen), dtype=np.float64))
    return found


def fold_score(metric: str, truth: Classes, probabilities: Floats) -> float:
    """The selection metric of some rows."""
    match metric:
        case "log_loss":
            return float(row_log_loss(truth, probabilities).mean())
        case "brier":
            return brier(truth, probabilities)
        case _:
            return roc_auc(truth, probabilities)


def _better(value: float, than: float, metric: str) -> bool:
    return value < than if metric in LOSSES else value > than
