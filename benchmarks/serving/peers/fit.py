"""Fit the model with the libraries of the environment this runs in: no pickle travels between versions.

`python fit.py rows.npz` writes model.joblib; with `--mlflow` also a model folder.
"""

import sys

import joblib
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

given = np.load(sys.argv[1])
codes = [np.arange(size, dtype=float) for size in given["codes"]]
encode = ColumnTransformer(
    [
        ("number", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), list(given["number"])),
        ("boolean", SimpleImputer(strategy="most_frequent"), list(given["boolean"])),
        (
            "category",
            make_pipeline(
                SimpleImputer(strategy="most_frequent"),
                OneHotEncoder(categories=codes, handle_unknown="ignore", sparse_output=False),
            ),
            list(given["category"]),
        ),
    ],
    sparse_threshold=0,
)
model = make_pipeline(encode, LogisticRegression(max_iter=2000, C=float(given["C"])))
model.fit(given["features"], given["classes"])
joblib.dump(model, "model.joblib")
if "--mlflow" in sys.argv:
    import mlflow

    mlflow.sklearn.save_model(
        model, "mlflow_model", pyfunc_predict_fn="predict_proba", skops_trusted_types=["numpy.dtype"]
    )
