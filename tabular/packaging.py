"""Package a chosen model: fit, export, prove parity, evaluate, and put all that serving needs into one bundle."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tabular import conformal, evaluation, export
from tabular.ablation import ablation
from tabular.bundle import FORMAT, Bundle, to_json
from tabular.candidates import build
from tabular.choosing import Choice
from tabular.contract import Contract, served_contract
from tabular.model_card import model_card
from tabular.novelty import covered, share_new
from tabular.tensors import to_classes, to_tensor

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BACKGROUND_ROWS = 50
LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy", "pandas", "pyarrow")


@dataclass(frozen=True, slots=True)
class Packaged:
    """A bundle, the fitted model it was exported from, and how far the two differ."""

    bundle: Bundle
    model: Pipeline
    parity_difference: float

    def with_provenance(self, provenance: Mapping[str, str]) -> Bundle:
        """The bundle, saying where and when it was made."""
        return replace(self.bundle, provenance=provenance)


def package(
    contract: Contract,
    choice: Choice,
    train: pd.DataFrame,
    test: pd.DataFrame,
    external: Mapping[str, pd.DataFrame],
    data_sha256: str,
    seed: int,
) -> Packaged:
    """Fit the chosen candidate on all training rows and package it.

    Args:
        contract: Of the data set.
        choice: The candidate and its threshold, and for the record what they were chosen from.
        train: Rows to learn from.
        test: Held-out rows of the same site: reported, never used to choose.
        external: Rows of sites the model never sees, by name: reported too.
        data_sha256: Hash of the bytes the rows were read from.
        seed: For estimators and samples that draw.

    Raises:
        Refused: The model can not be exported.
    """
    chosen, threshold = choice.chosen, choice.threshold
    features, truth = to_tensor(contract, train), to_classes(contract, train)
    model = build(contract, chosen.family, chosen.parameters, seed).fit(features, truth)
    onnx = export.to_onnx(model, features.shape[1])
    known = covered(contract, train)
    limits = conformal.limits(truth, np.array(chosen.probabilities))

    metrics = {
        "candidate": chosen.name,
        "family": chosen.family,
        "parameters": chosen.parameters,
        "threshold": threshold,
        "leaderboard": [
            {"name": s.name, "parameters": s.parameters, "mean": s.mean, "standard_error": s.standard_error}
            for s in choice.leaderboard
        ],
        "validation": {name: None if math.isnan(value) else value for name, value in chosen.metrics.items()},
        **({"optimism": dataclasses.asdict(choice.optimism)} if choice.optimism else {}),
        **evidence(contract, onnx, threshold, limits, known, train, test, external, seed),
    }
    content = {
        "model.onnx": onnx,
        "contract.json": to_json(served_contract(contract)),
        "serving.json": to_json(
            {**_serving(contract, onnx, threshold, train, seed), "conformal": limits, "covered": known}
        ),
        "reference.parquet": reference(contract, onnx, train),
        "metrics.json": to_json(metrics),
        "model_card.md": model_card(contract, metrics).encode(),
    }
    libraries = {name: importlib.metadata.version(name) for name in LIBRARIES}
    bundle = Bundle(content, libraries, data_sha256, provenance={})
    return Packaged(bundle, model, export.parity(model, onnx, features, seed, contract.numbers))


def evidence(
    contract: Contract,
    onnx: bytes,
    threshold: float | None,
    limits: Mapping[str, float],
    known: Mapping[str, Any],
    train: pd.DataFrame,
    test: pd.DataFrame,
    external: Mapping[str, pd.DataFrame],
    seed: int,
) -> dict[str, Any]:
    """All that a card says of how good a model is; from an exported model and the rows alone, so that anyone can again.

    Args:
        contract: Of the data set.
        onnx: The model.
        threshold: Of the decision, None for more than two classes.
        limits: Of conformal sets by level.
        known: What the training rows reach, by feature.
        train: Rows that were learnt from.
        test: Held-out rows.
        external: Rows of other sites, by name.
        seed: Of resamples and shuffles.
    """

    def evaluated(rows: pd.DataFrame) -> dict[str, Any]:
        figures = evaluation.evaluate(contract, onnx, threshold, rows, seed, limits)
        return {**figures, "new": share_new(known, rows)}

    return {
        "training_rows": len(train),
        "test": evaluated(test),
        "segments": evaluation.evaluate_segments(contract, onnx, threshold, test, seed),
        "external": {site: evaluated(rows) for site, rows in external.items()},
        "importance": evaluation.importance(contract, onnx, train, seed),
        "ablation": ablation(contract, onnx, test, seed),
    }


def _serving(
    contract: Contract, onnx: bytes, threshold: float | None, train: pd.DataFrame, seed: int
) -> dict[str, Any]:
    features = to_tensor(contract, train)
    background = features[np.sort(np.random.default_rng(seed).permutation(len(features))[:BACKGROUND_ROWS])]
    return {
        "format": FORMAT,
        "threshold": threshold,
        "quantiles": {
            name: [
                round(float(q), 6)
                for q in np.nanquantile(train[name].astype("Float64").to_numpy(float, na_value=np.nan), QUANTILES)
            ]
            for name, feature in contract.features.items()
            if feature.is_number and train[name].notna().any()
        },
        "background": [[None if np.isnan(v) else float(v) for v in row] for row in background],
        "example": example(contract, onnx, train),
    }


def example(contract: Contract, onnx: bytes, train: pd.DataFrame) -> dict[str, Any]:
    """A complete row and the model's probabilities for it: a server that gets others has another model."""
    complete = train.dropna()
    row = (complete if len(complete) else train).iloc[[0]]
    return {
        "row": {name: _plain(row[name].iloc[0]) for name in contract.features},
        "probabilities": [round(float(p), 6) for p in export.predict(onnx, to_tensor(contract, row))[0]],
    }


def reference(contract: Contract, onnx: bytes, train: pd.DataFrame) -> bytes:
    """Training rows with the model's probabilities: what drift is measured against."""
    frame = train.copy()
    probabilities = export.predict(onnx, to_tensor(contract, train)).round(6)
    for index, label in enumerate(contract.target.labels):
        frame[f"probability {label}"] = probabilities[:, index]
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    return None if pd.isna(value) else value.item() if hasattr(value, "item") else value
