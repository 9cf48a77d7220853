"""Tiny real bundles for the tests of the server and the deployers: trained here, on the real data, in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tabular.bundle import Bundle, to_json, write_bundle
from tabular.contract import Contract, load_contract, served_contract
from tabular.packaging import QUANTILES

ROW: dict[str, Any] = {
    "age": 63, "sex": 1, "cp": 1, "trestbps": 145, "chol": 233, "fbs": True, "restecg": 2, "thalach": 150,
    "exang": False, "oldpeak": 2.3, "slope": 3, "ca": 0, "thal": 6,
}  # fmt: skip
"""Cleveland's first patient."""


PENGUIN: dict[str, Any] = {
    "island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181,
    "body_mass_g": 3750, "sex": "male",
}  # fmt: skip
"""The first bird."""


def heart_bundle(
    folder: Path,
    *,
    strength: float = 1.0,
    threshold: float = 0.43,
    example: dict[str, Any] | None = None,
    forest: bool = False,
    name: str = "heart_disease",
) -> str:
    """Write a heart-disease bundle; another regularization `strength` is another model, as is a `forest`.

    Returns:
        The bundle digest.
    """
    contract, features, classes = _table("heart_disease", "cleveland")
    contract = contract.model_copy(update={"name": name})
    model = _grow(features, classes) if forest else _fit(features, classes, strength)
    return _write(folder, contract, model, example or ROW, features, threshold=threshold)


def penguin_bundle(folder: Path) -> str:
    """Write a three-class bundle of the penguins.

    Returns:
        The bundle digest.
    """
    contract, features, classes = _table("penguins", "palmer")
    return _write(folder, contract, _fit(features, classes, 1.0), PENGUIN, features, threshold=None)


def flower_bundle(folder: Path) -> str:
    """Write a three-class bundle with string categories, missing codes and a name that is no identifier.

    Returns:
        The bundle digest.
    """
    contract = Contract.model_validate(
        {
            "name": "flowers",
            "title": "Flowers",
            "source": {"page": "none", "licence": "CC0", "citation": "none"},
            "target": {
                "column": "kind",
                "classes": [{"label": name, "values": [name]} for name in ("daisy", "rose", "tulip")],
            },
            "features": {
                "stem length": {"type": "number", "unit": "cm", "missing": [-1, "none"]},
                "petals": {"type": "integer", "minimum": 3, "maximum": 40, "missing": [99]},
                "colour": {"type": "category", "values": ["red", "white", "yellow"], "missing": ["unknown"]},
                "wild": {"type": "boolean", "nullable": False},
            },
            "sites": {"garden": {"role": "train", "path": "none"}},
        }
    )
    random = np.random.default_rng(0)
    kinds = random.integers(0, 3, 150)
    features = np.stack(
        [
            10 + 10 * kinds + random.normal(0, 2, 150),
            5 + 5 * kinds,
            (kinds + random.integers(0, 2, 150)) % 3,
            kinds > 1,
        ],
        axis=1,
    ).astype(np.float32)
    features[::10, 0] = np.nan
    row = {"stem length": 21.5, "petals": 10, "colour": "white", "wild": False}
    return _write(folder, contract, _fit(features, kinds, 1.0), row, features, threshold=None)


def _table(name: str, site: str) -> tuple[Contract, Any, Any]:
    """The contract of a data set, and the tensor and the classes of a site's rows."""
    from tabular.reading import read_site
    from tabular.tensors import to_classes, to_tensor

    contract = load_contract(name)
    rows = read_site(contract, site).rows
    return contract, to_tensor(contract, rows), to_classes(contract, rows)


def _grow(features: Any, classes: Any) -> Any:
    """A forest of unscaled features, as trees need no scale."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    forest = RandomForestClassifier(n_estimators=30, min_samples_leaf=5, random_state=0)
    return make_pipeline(SimpleImputer(), forest).fit(features, classes)


def _fit(features: Any, classes: Any, strength: float) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    return model.fit(features, classes)


def _write(
    folder: Path, contract: Contract, model: Any, example: dict[str, Any], features: Any, threshold: float | None
) -> str:
    import onnxruntime
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    from serving.columns import Column
    from serving.rows import RowReader

    served = served_contract(contract)
    graph = to_onnx(
        model,
        initial_types=[("features", FloatTensorType([None, len(contract.features)]))],
        options={id(model): {"zipmap": False}},
        final_types=None,
        target_opset={"": 17, "ai.onnx.ml": 3},
    ).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    reader = RowReader([Column.parse(feature) for feature in json.loads(to_json(served))["features"]])
    tensor = np.array(reader.check([example], many=False), dtype=np.float32)
    probabilities = session.run(["probabilities"], {"features": tensor})[0][0].tolist()
    serving: dict[str, Any] = {
        "format": 1,
        "threshold": threshold,
        "quantiles": {
            name: np.nanquantile(features[:, index], QUANTILES).round(6).tolist()
            for index, (name, feature) in enumerate(contract.features.items())
            if feature.type in ("number", "integer")
        },
        "background": [[None if np.isnan(v) else float(v) for v in row] for row in features[::7]],
        "example": {"row": example, "probabilities": probabilities},
    }
    bundle = Bundle(
        content={
            "contract.json": to_json(served),
            "metrics.json": to_json({}),
            "model.onnx": graph,
            "model_card.md": b"# A model for tests\n",
            "reference.parquet": b"PAR1",
            "serving.json": to_json(serving),
        },
        libraries={},
        data_sha256="0" * 64,
        provenance={},
    )
    write_bundle(bundle, folder)
    return bundle.digest
