"""Fit a model for another site from its unlabelled rows: what is not measured there, and how common the classes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from project.strict_yaml import Strict, misfits
from tabular.candidates import build
from tabular.contract import Contract
from tabular.metrics import Classes, Floats
from tabular.prior_shift import Scaling, by_count, by_expectation, calibrate
from tabular.training_config import Family, Value, unfit

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Tensor = npt.NDArray[np.float32]
HEAVIEST = 10.0
"""A row that resembles the site counts at most this much more than one in the middle, and at least this much less."""


class Technique(Strict):
    """How a model is made fit for another site; each part can be left out, to measure what it gives."""

    family: Family
    parameters: dict[str, Value] = {}
    copies: Annotated[int, Field(ge=0)] = 0
    """Copies of each row without what a row of the site lacks; 0 leaves the rows as they are."""
    even: bool = False
    """Whether each class counts alike within each labelled site, so that no site's prevalence is learnt."""
    resemblance: bool = False
    """Whether rows count by their resemblance to the site's."""
    shares: Literal["as trained", "expectation", "count"] = "as trained"
    """Class shares that the probabilities are moved to."""
    folds: Annotated[int, Field(ge=2)] = 5

    @model_validator(mode="after")
    def _known_parameters(self) -> Self:
        found = list(unfit(self.family, ("parameters",), {name: [value] for name, value in self.parameters.items()}))
        if found:
            raise misfits([(path[:2], message) for path, message in found])
        return self


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows whose class is known, of one site or of several."""

    features: Tensor
    truth: Classes
    site: npt.NDArray[np.int64]
    """Index of the site of each row."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """A model for a site, and what was found out about the site."""

    model: Pipeline
    scaling: Scaling
    out_of_fold: Floats
    """Probabilities of the labelled rows as they would be at the site, before the scaling, (rows, classes)."""
    estimate: Floats
    """Class shares at the site by the technique, (classes,); those of the labelled rows where it estimates none."""
    other_estimate: Floats
    """The same by the other way."""
    shares: Floats
    """Class shares that the probabilities were moved to: the estimate, or where it was not believed those of the
    labelled rows as they were weighed.
    """

    def predict_proba(self, features: Tensor, /) -> Floats:
        """Probabilities (rows, classes)."""
        return self.scaling.apply(np.asarray(self.model.predict_proba(features), dtype=np.float64))


def adapt(contract: Contract, known: Labelled, site: Tensor, technique: Technique, seed: int) -> Adapted:
    """Fit a technique for a site.

    Args:
        contract: Kind of each column.
        known: Labelled rows of other sites.
        site: Rows of the site without their class, (rows, features).
        technique: What to do.
        seed: Of copies, folds and estimators.
    """
    from sklearn.model_selection import StratifiedKFold

    weights = even_weights(known.truth, known.site) if technique.even else np.ones(len(known.truth))
    if technique.resemblance:
        weights *= resemblance(contract, known.features, site, technique, seed)
        weights /= weights.mean()
    out_of_fold = np.zeros((len(known.truth), len(contract.target.labels)))
    strata = known.site * len(contract.target.labels) + known.truth
    for train, held_out in StratifiedKFold(technique.folds, shuffle=True, random_state=seed).split(strata, strata):
        model = _fit(contract, known, train, weights, site, technique, seed)
        features, rows = _seen(known.features[held_out], site, technique, seed)
        np.add.at(out_of_fold, held_out[rows], model.predict_proba(features) / max(technique.copies, 1))
    model = _fit(contract, known, np.arange(len(known.truth)), weights, site, technique, seed)
    there = np.asarray(model.predict_proba(site), dtype=np.float64)
    trained = np.bincount(known.truth, weights=weights) / weights.sum()
    if technique.shares == "as trained":
        unmoved = Scaling(1.0, [0.0] * len(trained))
        return Adapted(model, unmoved, out_of_fold, trained, trained, trained)
    calibrated = calibrate(known.truth, out_of_fold, weights)
    there, here = calibrated.apply(there), calibrated.apply(out_of_fold)
    likeliest, counted = by_expectation(there, trained), by_count(known.truth, here, weights, there)
    estimate, other = (likeliest, counted) if technique.shares == "expectation" else (counted, likeliest)
    # A class with less than one row: no change of shares explains the site, so the estimate says nothing of them.
    shares = estimate if estimate.min() * len(site) >= 1 else trained
    return Adapted(model, calibrated.towards(trained, shares), out_of_fold, estimate, other, shares)


def like_site(features: Tensor, site: Tensor, copies: int, seed: int) -> Tensor:
    """Copies of rows, each without the cells that a row drawn from the site lacks; (copies * rows, features).

    A model fitted on them has learnt to do without those cells (missingness as a covariate shift, Zhou et al. 2023).
    """
    copied = np.tile(features, (copies, 1))
    drawn = np.random.default_rng(seed).integers(0, len(site), len(copied))
    copied[np.isnan(site[drawn])] = np.nan
    return copied


def even_weights(truth: Classes, site: npt.NDArray[np.int64]) -> Floats:
    """Weights by which each class of a site has the same total, and each site as much as it has rows; mean 1."""
    weights = np.zeros(len(truth))
    for one in np.unique(site):
        here = site == one
        present = np.unique(truth[here])
        for label in present:
            rows = here & (truth == label)
            weights[rows] = here.sum() / len(present) / rows.sum()
    return weights


def resemblance(contract: Contract, features: Tensor, site: Tensor, technique: Technique, seed: int) -> Floats:
    """Weight of each row by how much likelier it is at the site than here; mean 1, clipped.

    The odds of a logistic regression that tells the two apart (Bickel, Brückner and Scheffer 2009), on rows that
    lack the same cells, so that it looks at values and not at what is missing.
    """
    copies = max(technique.copies, 1)
    here = like_site(features, site, copies, seed)
    model = build(contract, "logistic", {"C": 0.1}, seed, missing="apart")
    there = np.tile(site, (max(1, round(len(here) / len(site))), 1))
    model.fit(np.vstack([here, there]), np.repeat([0, 1], [len(here), len(there)]))
    chance = model.predict_proba(here)[:, 1]
    odds = (chance / (1 - chance)).reshape(copies, -1).mean(axis=0)
    clipped = np.clip(odds / np.median(odds), 1 / HEAVIEST, HEAVIEST)
    return np.asarray(clipped / clipped.mean())


def _seen(features: Tensor, site: Tensor, technique: Technique, seed: int) -> tuple[Tensor, npt.NDArray[np.int64]]:
    """Rows as they would be at the site, and which row each of them is."""
    if technique.copies == 0:
        return features, np.arange(len(features))
    copied = like_site(features, site, technique.copies, seed)
    return copied, np.tile(np.arange(len(features)), technique.copies)


def _fit(
    contract: Contract,
    known: Labelled,
    rows: npt.NDArray[np.int64],
    weights: Floats,
    site: Tensor,
    technique: Technique,
    seed: int,
) -> Pipeline:
    features, which = _seen(known.features[rows], site, technique, seed)
    model = build(
        contract, technique.family, technique.parameters, seed, missing="apart" if technique.copies else "imputed"
    )
    return model.fit(features, known.truth[rows][which], classify__sample_weight=weights[rows][which])
