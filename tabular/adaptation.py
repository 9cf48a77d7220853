"""Adapt a bundle to a site from the site's own unlabelled rows, and judge whether the result may be used there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from project.errors import Refused
from project.strict_yaml import Strict
from tabular import evaluation, export, gates
from tabular.adaptation_card import NOT_BELIEVED, adaptation_card
from tabular.behaviour import observe
from tabular.bundle import Bundle, to_json
from tabular.contract import Contract, served_contract
from tabular.gates import Verdict
from tabular.metrics import Floats, roc_auc, rounded
from tabular.packaging import example, reference
from tabular.prior_shift import by_expectation
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import Cost, MetricBound
from tabular.transfer import Adapted, Labelled, Technique, Tensor, adapt

RESAMPLES = 200


class AdaptationSettings(Strict):
    """How a model is adapted, and what the result must prove."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    technique: Technique
    minimum_rows: Annotated[int, Field(ge=1)]
    minimum_quality: list[MetricBound]
    widest_share_interval: Annotated[float, Field(gt=0, le=1)]
    """Of the 95 % interval of a class's share at the site."""
    farthest_shares: Annotated[float, Field(gt=0, le=1)]
    """Between the two estimates of a class's share; they disagree where a class does not look alike at both places."""
    maximum_parity_difference: Annotated[float, Field(gt=0)]
    maximum_model_bytes: Annotated[int, Field(gt=0)]

    @field_validator("technique")
    @classmethod
    def _shares_that_have_an_interval(cls, technique: Technique) -> Technique:
        if technique.shares != "expectation":
            raise ValueError("its 'shares' must be 'expectation': the interval that is judged is of that estimate")
        return technique


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What was found out about a site, and what the gates said of the model made for it."""

    site: str
    rows: int
    made_from: str
    """Digest of the bundle that was adapted."""
    digest: str
    missing: dict[str, float]
    """Share of rows without a value, of the features that the site lacks more often than the training rows."""
    shares: dict[str, float]
    """Estimated share of each class."""
    intervals: dict[str, list[float]]
    """95 % bootstrap intervals of these shares over the site's rows."""
    shares_by_count: dict[str, float]
    shares_used: dict[str, float]
    """What the probabilities were moved to: the estimate, or the training rows' shares where it was not believed."""
    roc_auc: float
    """Of labelled rows out of fold, without what the site lacks."""
    threshold: float | None
    verdicts: list[Verdict]


def adapt_bundle(
    contract: Contract, bundle: Bundle, rows: pd.DataFrame, site: str, cost: Cost, settings: AdaptationSettings
) -> tuple[Bundle, Adaptation]:
    """Fit a model for a site on the bundle's own reference rows, and package it as the bundle was packaged.

    Args:
        contract: Of the data set.
        bundle: The champion; its reference rows are the labelled ones.
        rows: Typed rows of the site; a target column is not looked at.
        site: Its name.
        cost: Of a miss and of a false alarm, for the threshold of two classes.
        settings: Technique and gates.

    Returns:
        The adapted bundle, and what the gates say of it.

    Raises:
        Refused: The site has too few rows, the bundle is of another contract, or the model can not be exported.
    """
    if len(rows) < settings.minimum_rows:
        what = f"{site} has {len(rows)} rows; adaptation needs at least {settings.minimum_rows}"
        raise Refused(what, "collect more rows, then type the same command again")
    if bundle.content["contract.json"] != to_json(served_contract(contract)):
        raise Refused(
            f"the contract of {contract.name} has changed since {bundle.digest[:12]} was trained",
            f"python run.py train --dataset {contract.name}",
        )
    train = pd.read_parquet(io.BytesIO(bundle.content["reference.parquet"]))
    features, there = to_tensor(contract, train), to_tensor(contract, rows)
    known = Labelled(features, to_classes(contract, train), np.zeros(len(train), dtype=np.int64))
    adapted = adapt(contract, known, there, settings.technique, settings.seed)
    onnx = export.with_scaling(export.to_onnx(adapted.model, features.shape[1]), adapted.scaling)
    # Probabilities of the site's own shares: Elkan's threshold (2001) needs no labels.
    binary = contract.task == "binary"
    threshold = round(cost.false_positive / (cost.false_positive + cost.false_negative), 4) if binary else None
    evidence = _evidence(contract, adapted, known, there, train, rows, settings)
    difference = export.parity(adapted, onnx, features, settings.seed, contract.numbers)
    made = replace(
        bundle,
        content=_content(contract, bundle, onnx, threshold, train, site, evidence, settings),
        provenance={},
    )
    report = Adaptation(
        site=site,
        rows=len(rows),
        made_from=bundle.digest,
        digest=made.digest,
        threshold=threshold,
        verdicts=_judge(contract, onnx, train, threshold, evidence, difference, settings),
        **evidence,
    )
    return made, report


def or_refuse(report: Adaptation) -> None:
    """Raise `Refused` with every reason when a gate said no."""
    failed = [f"{verdict.gate}: {verdict.reason}" for verdict in report.verdicts if not verdict.passed]
    if failed:
        raise Refused(
            f"no model was adapted to {report.site}. {'; '.join(failed)}",
            "label some rows of the site and train on them; what serves goes on serving",
        )


def _evidence(
    contract: Contract,
    adapted: Adapted,
    known: Labelled,
    there: Tensor,
    train: pd.DataFrame,
    rows: pd.DataFrame,
    settings: AdaptationSettings,
) -> dict[str, Any]:
    labels = contract.target.labels
    low, high = _intervals(adapted, there, settings.seed)
    gone = {name: (float(rows[name].isna().mean()), float(train[name].isna().mean())) for name in contract.features}
    return {
        "missing": {name: rounded(now) for name, (now, before) in gone.items() if now > before},
        "shares": _by_label(labels, adapted.estimate),
        "intervals": {label: [rounded(low[i]), rounded(high[i])] for i, label in enumerate(labels)},
        "shares_by_count": _by_label(labels, adapted.other_estimate),
        "shares_used": _by_label(labels, adapted.shares),
        "roc_auc": rounded(roc_auc(known.truth, adapted.out_of_fold)),
    }


def _intervals(adapted: Adapted, there: Tensor, seed: int) -> tuple[Floats, Floats]:
    """95 % bootstrap interval of the estimated shares over the site's rows."""
    answers = adapted.predict_proba(there)
    draw = np.random.default_rng(seed)
    found = [
        by_expectation(answers[draw.integers(0, len(answers), len(answers))], adapted.shares) for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return low, high


def _judge(
    contract: Contract,
    onnx: bytes,
    train: pd.DataFrame,
    threshold: float | None,
    evidence: Mapping[str, Any],
    difference: float,
    settings: AdaptationSettings,
) -> list[Verdict]:
    observed = observe(contract, lambda rows: export.predict(onnx, rows), train, threshold)
    cases = {case.name for case in contract.behaviour.cases}  # answers at the training site's shares, not at these
    return [
        *gates.minimum_quality({"roc_auc": evidence["roc_auc"]}, settings.minimum_quality),
        *_judge_shares(evidence, settings),
        gates.parity(difference, settings.maximum_parity_difference),
        *gates.behaviour([seen for seen in observed if seen.name not in cases]),
        gates.at_most("model size", len(onnx), settings.maximum_model_bytes, "bytes"),
    ]


def _judge_shares(evidence: Mapping[str, Any], settings: AdaptationSettings) -> list[Verdict]:
    """Whether the estimate is narrow enough, and near enough to what another way finds."""
    if evidence["shares_used"] != evidence["shares"]:
        return [Verdict("class shares", passed=True, reason=NOT_BELIEVED)]
    width = max(high - low for low, high in evidence["intervals"].values())
    apart = max(abs(share - evidence["shares_by_count"][label]) for label, share in evidence["shares"].items())
    return [
        Verdict(
            "width of class shares",
            width <= settings.widest_share_interval,
            f"95 % interval {width:.2f} wide, at most {settings.widest_share_interval:.2f}",
        ),
        Verdict(
            "agreement of class shares",
            apart <= settings.farthest_shares,
            f"two estimates differ by {apart:.2f}, at most {settings.farthest_shares:.2f}",
        ),
    ]


def _content(
    contract: Contract,
    bundle: Bundle,
    onnx: bytes,
    threshold: float | None,
    train: pd.DataFrame,
    site: str,
    evidence: Mapping[str, Any],
    settings: AdaptationSettings,
) -> dict[str, bytes]:
    technique = settings.technique
    metrics = {
        "candidate": f"{technique.family}, adapted to {site}",
        "family": technique.family,
        "parameters": technique.parameters,
        "threshold": threshold,
        "importance": evaluation.importance(contract, onnx, train, settings.seed),
        "adaptation": {**evidence, "site": site, "made_from": bundle.digest, "technique": technique.model_dump()},
    }
    serving = bundle.json("serving.json")
    serving.pop("conformal", None)  # its coverage is promised for rows like those it was measured on
    serving |= {"threshold": threshold, "example": example(contract, onnx, train)}
    return {
        **bundle.content,
        "model.onnx": onnx,
        "serving.json": to_json(serving),
        "reference.parquet": reference(contract, onnx, train),
        "metrics.json": to_json(metrics),
        "model_card.md": adaptation_card(contract, bundle, site, threshold, evidence).encode(),
    }


def _by_label(labels: list[str], shares: Floats) -> dict[str, float]:
    return {label: rounded(share) for label, share in zip(labels, shares, strict=True)}
