"""Candidates: unfitted scikit-learn pipelines over the float matrix of `tensors.to_tensor`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tabular.contract import Contract
from tabular.training_config import Family, Value

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Parameters = dict[str, Value]
KNOTS, FOLDS = 4, 5
"""Of a spline where the search names none, and of the calibration of an estimator within its training rows."""
ENCODING = frozenset({"n_knots"})
"""Parameters of the encoder; all others are the estimator's."""


def grid(space: Mapping[str, Sequence[Value]]) -> list[Parameters]:
    """Every combination of a search space, in the order it is written."""
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def build(
    contract: Contract,
    family: Family,
    parameters: Parameters,
    seed: int,
    missing: Literal["imputed", "apart"] = "imputed",
) -> Pipeline:
    """An unfitted pipeline: impute, one-hot, scale where the family needs it, classify.

    Args:
        contract: Gives the kind of each column of the matrix.
        family: Which estimator.
        parameters: Its parameters, in scikit-learn's names.
        seed: For estimators that draw.
        missing: Whether a missing category or boolean becomes the most frequent one or is told apart from each;
            numbers become the median either way.

    Returns:
        A pipeline from float (rows, features) with NaN for missing to (rows, classes) probabilities. Trees get
        unscaled columns: behind a float32 scaler their rounded thresholds fall on the wrong side in ONNX.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

    features = list(contract.features.values())
    category = [i for i, f in enumerate(features) if f.type == "category"]
    binary = [i for i, f in enumerate(features) if f.type == "boolean"]
    codes = [[float(code) for code in range(len(features[i].codes))] for i in category]

    numeric: Any = SimpleImputer(strategy="median", keep_empty_features=True)
    if family in ("logistic", "one_feature"):
        numeric = make_pipeline(numeric, StandardScaler())
    if family == "spline":
        knots: Any = parameters.get("n_knots", KNOTS)
        numeric = make_pipeline(numeric, SplineTransformer(n_knots=knots, degree=1, extrapolation="constant"))

    def one_hot(values: list[list[float]]) -> Any:
        return OneHotEncoder(categories=values, handle_unknown="ignore", sparse_output=False)

    frequent = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    parts: list[tuple[str, Any, list[int]]] = [
        ("number", numeric, contract.numbers),
        ("boolean", frequent if missing == "imputed" else one_hot([[0.0, 1.0]] * len(binary)), binary),
        (
            "category",
            make_pipeline(frequent, one_hot(codes)) if missing == "imputed" else one_hot(codes),
            category,
        ),
    ]
    encode = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
    return Pipeline([("encode", encode), ("classify", _estimator(family, parameters, seed))])


def _estimator(family: Family, parameters: Parameters, seed: int) -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    parameters = {name: value for name, value in parameters.items() if name not in ENCODING}
    if (method := parameters.pop("calibration", None)) is not None:
        return CalibratedClassifierCV(_estimator(family, parameters, seed), method=method, cv=FOLDS, ensemble=False)
    match family:
        case "logistic" | "spline":
            return LogisticRegression(max_iter=2000, **parameters)
        case "class_shares":
            return DummyClassifier(strategy="prior")
        case "one_feature":
            return make_pipeline(SelectKBest(k=1), LogisticRegression(max_iter=2000, **parameters))
        case "random_forest":
            return RandomForestClassifier(random_state=seed, **parameters)
        case "extra_trees":
            return ExtraTreesClassifier(random_state=seed, **parameters)
        case "gradient_boosting":
            return GradientBoostingClassifier(random_state=seed, **parameters)
