"""Drift: how far new rows are from the rows a model was trained on, and what to do about it."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from project.strict_yaml import Strict
from tabular.adaptation import AdaptationSettings
from tabular.chance import distance_by_chance
from tabular.columns import Feature
from tabular.contract import Contract
from tabular.drift_page import with_verdict

Share = Annotated[float, Field(gt=0, le=1)]
Outcome = Literal["ok", "watch", "retrain", "too few rows"]


class DriftSettings(Strict):
    """Limits of the drift check; effect sizes, so that many rows do not turn a trifle into an alarm."""

    minimum_rows: Annotated[int, Field(ge=1)]
    drifted_from: Annotated[float, Field(gt=0)]
    """Distance from which a feature counts as drifted: Wasserstein in standard deviations for numbers,
    Jensen-Shannon (0 to 1) for categories; 0.1 is Evidently's own default for both."""
    missing_rise: Share
    """Rise of a column's missing share that counts as drift by itself."""
    watch_from: Share
    retrain_from: Share
    """Share of the model's importance that lies in drifted features, 0 to 1."""

    @model_validator(mode="after")
    def _watch_before_retrain(self) -> Self:
        if self.watch_from > self.retrain_from:
            raise ValueError(f"watch_from {self.watch_from:g} is above retrain_from {self.retrain_from:g}")
        return self


class MonitoringConfig(Strict):
    """`configs/monitoring.yaml`."""

    drift: DriftSettings
    adaptation: AdaptationSettings


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """How one feature moved."""

    feature: str
    distance: float | None
    """None where the reference or the new rows have no value at all."""
    by_chance: float
    """Largest distance between two draws of these sizes from the reference; below it a distance means nothing."""
    importance: float
    """Share of the model's importance, 0 to 1."""
    missing_before: float
    missing_now: float
    direction: str
    drifted: bool


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Verdict, ranked features, and the command that follows."""

    site: str
    rows: int
    outcome: Outcome
    drifted_importance: float
    features: list[FeatureDrift]
    """Most important drift first."""
    next_command: str

    @property
    def worst(self) -> list[str]:
        """Names of the three features whose drift matters most to the model."""
        return [f.feature for f in self.features if f.drifted][:3]


def check_drift(
    contract: Contract,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    importance: Mapping[str, float],
    site: str,
    settings: DriftSettings,
) -> tuple[DriftReport, str]:
    """Compare rows of a site with the reference of a bundle.

    Args:
        contract: Names and kinds of the columns.
        reference: Training rows as in the bundle.
        current: Typed rows of the site; no target needed.
        importance: Permutation importance per feature.
        site: For the report.
        settings: Limits.

    Returns:
        The report, and Evidently's HTML page (a plain page where there are too few rows to compare).
    """
    weights = _weights(contract, importance)
    if len(current) < settings.minimum_rows:
        report = DriftReport(site, len(current), "too few rows", 0.0, [], f"collect {settings.minimum_rows} rows first")
        text = html.escape(f"{site}: {len(current)} rows, at least {settings.minimum_rows} are needed to judge drift")
        return report, f"<!doctype html><meta charset='utf-8'><title>Drift</title><p>{text}</p>"
    measurable = [
        name
        for name in sorted(contract.features, key=lambda name: -weights[name])
        if current[name].notna().any() and reference[name].notna().any()
    ]
    distances, page = _evidently(contract, reference, current, measurable, settings)
    features = [
        _feature(contract, name, distances.get(name), weights[name], reference[name], current[name], settings)
        for name in contract.features
    ]
    features.sort(key=lambda f: (not f.drifted, -f.importance * (f.distance if f.distance is not None else 1.0)))
    share = round(sum(weights[f.feature] for f in features if f.drifted), 4)
    outcome: Outcome = (
        "retrain" if share >= settings.retrain_from else "watch" if share >= settings.watch_from else "ok"
    )
    follow = {
        "ok": "python run.py status",
        "watch": f"python run.py monitor --dataset {contract.name} --input NEWER_ROWS",
        "retrain": f"python run.py train --dataset {contract.name} --full",
    }
    report = DriftReport(site, len(current), outcome, share, features, follow[outcome])
    return report, with_verdict(page, contract, report)


def _weights(contract: Contract, importance: Mapping[str, float]) -> dict[str, float]:
    """Shares of the importance; a model that looks at nothing is judged by all its features alike."""
    total = sum(importance.values())
    even = 1 / len(contract.features)
    return {name: importance.get(name, 0.0) / total if total else even for name in contract.features}


def _evidently(
    contract: Contract,
    reference: pd.DataFrame,
    current: pd.DataFrame,
    columns: list[str],
    settings: DriftSettings,
) -> tuple[dict[str, float], str]:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    numbers = [name for name in columns if contract.features[name].is_number]
    definition = DataDefinition(
        numerical_columns=numbers, categorical_columns=[name for name in columns if name not in numbers]
    )
    metrics = [
        ValueDrift(
            column=name,
            method="wasserstein" if name in numbers else "jensenshannon",
            threshold=settings.drifted_from,
        )
        for name in columns
    ]
    snapshot = Report(metrics).run(
        Dataset.from_pandas(_plain(contract, current, columns), data_definition=definition),
        Dataset.from_pandas(_plain(contract, reference, columns), data_definition=definition),
    )
    results: dict[str, Any] = snapshot.dict()
    values = {
        metric["config"]["column"]: float(metric["value"])
        for metric in results["metrics"]
        if "column" in metric["config"]
    }
    return values, str(snapshot.get_html_str(as_iframe=False))


def _plain(contract: Contract, frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Numbers as float64 and the rest as labels: Evidently does not know pandas' nullable types.

    A code that the contract does not know stays a category of its own; Evidently would leave it out like a missing one.
    """
    plain = {}
    for name in columns:
        feature = contract.features[name]
        if feature.is_number:
            plain[name] = frame[name].astype("Float64").astype("float64")
        else:
            labels = _labels(feature)
            known = {code: labels.get(code, f"unknown code {code}") for code in frame[name].dropna().unique()}
            plain[name] = frame[name].astype(object).map(known)
    return pd.DataFrame(plain)


def _feature(
    contract: Contract,
    name: str,
    distance: float | None,
    weight: float,
    before: pd.Series,
    now: pd.Series,
    settings: DriftSettings,
) -> FeatureDrift:
    missing_before, missing_now = float(before.isna().mean()), float(now.isna().mean())
    lost = missing_now - missing_before >= settings.missing_rise
    by_chance = distance_by_chance(contract.features[name].is_number, before, int(now.notna().sum()))
    drifted = lost or (
        missing_before != missing_now if distance is None else distance >= max(settings.drifted_from, by_chance)
    )
    return FeatureDrift(
        feature=name,
        distance=None if distance is None else round(distance, 4),
        by_chance=round(by_chance, 4),
        importance=round(weight, 4),
        missing_before=round(missing_before, 4),
        missing_now=round(missing_now, 4),
        direction=(
            f"missing in {missing_now:.0%}, before in {missing_before:.0%}"
            if lost or distance is None
            else _direction(contract, name, before, now)
        ),
        drifted=drifted,
    )


def _direction(contract: Contract, name: str, before: pd.Series, now: pd.Series) -> str:
    """Where it moved: the change of the median with its unit, or the category that gained most."""
    feature = contract.features[name]
    if feature.is_number:
        was, is_now = float(before.median()), float(now.median())
        move = "higher" if is_now > was else "lower" if is_now < was else "same median"
        return f"{move}: median {was:g} to {is_now:g} {feature.unit}".strip()
    gain = now.value_counts(normalize=True).sub(before.value_counts(normalize=True), fill_value=0.0)
    code, labels = gain.idxmax(), _labels(feature)
    return f"more {labels.get(code, str(code))!r}: {float(gain.max()):+.0%}"


def _labels(feature: Feature) -> dict[Any, str]:
    return dict(zip(feature.codes, feature.labels, strict=True)) or {True: "yes", False: "no"}
