"""Schema of `configs/training.yaml`: candidates, validation, threshold and gates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.strict_yaml import Path_, Strict, did_you_mean, misfits

Family = Literal[
    "logistic", "spline", "random_forest", "extra_trees", "gradient_boosting", "class_shares", "one_feature"
]
BASELINES = frozenset({"class_shares", "one_feature"})
"""Families that are never chosen: what ships must beat them."""
Profile = Literal["quick", "full"]
Value = float | int | str | None

LOSSES = frozenset({"log_loss", "brier"})
"""Metrics of which less is better."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The values a parameter takes."""

    words: str
    holds: Callable[[Value], bool]


POSITIVE = Kind("a number above 0", lambda value: isinstance(value, float | int) and value > 0)
COUNT = Kind("a whole number from 1 on", lambda value: isinstance(value, int) and value >= 1)
KNOTS = Kind("a whole number from 2 on", lambda value: isinstance(value, int) and value >= 2)
DEPTH = Kind("a whole number from 1 on, or null", lambda value: value is None or COUNT.holds(value))
SHARE = Kind("a share above 0 and up to 1", lambda value: isinstance(value, float | int) and 0 < value <= 1)
LEAF = Kind(
    "a whole number from 1 on, or a share below 1",
    lambda value: COUNT.holds(value) or (isinstance(value, float) and 0 < value < 1),
)
FEATURES = Kind(
    "sqrt, log2, null, a whole number from 1 on, or a share up to 1",
    lambda value: value in ("sqrt", "log2", None) or COUNT.holds(value) or SHARE.holds(value),
)
WEIGHT = Kind("balanced or null", lambda value: value in ("balanced", None))

CALIBRATION = Kind("sigmoid or null", lambda value: value in ("sigmoid", None))

_FOREST = {
    "n_estimators": COUNT,
    "max_depth": DEPTH,
    "min_samples_leaf": LEAF,
    "max_features": FEATURES,
    "class_weight": WEIGHT,
}
SEARCHABLE: dict[str, dict[str, Kind]] = {
    "logistic": {"C": POSITIVE, "class_weight": WEIGHT, "calibration": CALIBRATION},
    "spline": {"C": POSITIVE, "class_weight": WEIGHT, "n_knots": KNOTS, "calibration": CALIBRATION},
    "random_forest": {**_FOREST, "calibration": CALIBRATION},
    "extra_trees": _FOREST,  # the converter to ONNX knows no calibrated one
    "gradient_boosting": {
        "n_estimators": COUNT,
        "learning_rate": POSITIVE,
        "max_depth": DEPTH,
        "min_samples_leaf": LEAF,
        "subsample": SHARE,
        "calibration": CALIBRATION,
    },
    "class_shares": {},
    "one_feature": {"C": POSITIVE},
}
"""Parameters of each family that a search may set, in scikit-learn's own names; `calibration` wraps the estimator."""


def unfit(family: Family, at: Path_, space: Mapping[str, Sequence[Value]]) -> Iterator[tuple[Path_, str]]:
    """Where values can not be tried, by the place of their name and position below `at`, and why."""
    allowed = SEARCHABLE[family]
    for name, values in space.items():
        if name not in allowed:
            yield (*at, name), f"{family} has no parameter {name!r}{did_you_mean(name, list(allowed))}"
            continue
        for index, value in enumerate(values):
            if not allowed[name].holds(value):
                yield (*at, name, index), f"{value!r} is not {allowed[name].words}"


class Space(Strict):
    """Values to try for each parameter, by profile; every combination is tried."""

    quick: dict[str, Annotated[list[Value], Field(min_length=1)]] | None = None
    """None leaves the candidate out of `--quick`."""
    full: dict[str, Annotated[list[Value], Field(min_length=1)]]


class Candidate(Strict):
    """An unfitted estimator family with its search space."""

    family: Family
    complexity: Annotated[int, Field(ge=0)]
    """Rank for the one-standard-error rule: of two candidates that score alike the lower one is chosen."""
    search: Space

    def space(self, profile: Profile) -> dict[str, list[Value]] | None:
        """The values to try in a profile; None where the candidate takes no part in it."""
        return self.search.quick if profile == "quick" else self.search.full

    @model_validator(mode="after")
    def _known_parameters(self) -> Self:
        found = [
            *unfit(self.family, ("search", "quick"), self.search.quick or {}),
            *unfit(self.family, ("search", "full"), self.search.full),
        ]
        if found:
            raise misfits(found)
        return self


class Nested(Strict):
    """Outer and inner folds of nested cross-validation (Cawley and Talbot 2010, J Mach Learn Res 11)."""

    outer: Annotated[int, Field(ge=2)]
    inner: Annotated[int, Field(ge=2)]


class Validation(Strict):
    """Repeated stratified cross-validation."""

    folds: Annotated[int, Field(ge=2)]
    repeats: Annotated[int, Field(ge=1)]
    nested: Nested | None = None
    """Chooses anew within each outer fold, to measure what choosing flatters."""


class Profiles(Strict):
    """`--quick` and `--full`."""

    quick: Validation
    full: Validation


class Cost(Strict):
    """What a wrong answer costs, in any unit; the threshold minimises the expected cost (binary targets)."""

    false_negative: Annotated[float, Field(gt=0)]
    false_positive: Annotated[float, Field(gt=0)]


class MetricBound(Strict):
    """The worst value of a validation metric that may still serve."""

    metric: Literal["roc_auc", "log_loss", "brier", "log_loss_skill", "accuracy", "balanced_accuracy"]
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give one of 'at_least' and 'at_most'")
        if (self.at_most is None) == (self.metric in LOSSES):
            raise ValueError(f"{self.metric} is bounded by {'at_most' if self.metric in LOSSES else 'at_least'!r}")
        return self


class GapBound(Strict):
    """The largest gap of a validation metric between two parts of a segment that may still serve."""

    metric: Literal["sensitivity", "specificity", "balanced_accuracy", "accuracy", "roc_auc", "brier", "log_loss"]
    at_most: Annotated[float, Field(ge=0)]


class ChampionRule(Strict):
    """A challenger may be worse than the champion by no more than noise explains."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]


class GateSettings(Strict):
    """What a challenger must prove before it may serve."""

    minimum_quality: list[MetricBound]
    segment_gaps: list[GapBound] = []
    """Without any the gate is off."""
    champion: ChampionRule
    maximum_parity_difference: Annotated[float, Field(gt=0)]
    maximum_model_bytes: Annotated[int, Field(gt=0)]
    maximum_model_nodes: Annotated[int, Field(gt=0)]


class TrainingConfig(Strict):
    """`configs/training.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    test_share: Annotated[float, Field(gt=0, lt=1)]
    selection_metric: Literal["log_loss", "brier", "roc_auc"]
    profiles: Profiles
    cost: Cost
    candidates: Annotated[dict[str, Candidate], Field(min_length=1)]
    gates: GateSettings

    def taking_part(self, profile: Profile) -> list[tuple[str, Candidate, dict[str, list[Value]]]]:
        """The candidates that are tried in a profile: name, candidate, and the values to try."""
        named = [(name, candidate, candidate.space(profile)) for name, candidate in self.candidates.items()]
        return [(name, candidate, space) for name, candidate, space in named if space is not None]

    def validation(self, profile: Profile) -> Validation:
        """Folds and repeats of a profile."""
        return self.profiles.quick if profile == "quick" else self.profiles.full
