"""BentoML's service of the scikit-learn pipeline, in the form its quickstart teaches."""

import bentoml
import joblib
import numpy as np
from pydantic import BaseModel


class Row(BaseModel):
    age: float
    sex: float
    cp: float
    trestbps: float
    chol: float
    fbs: float
    restecg: float
    thalach: float
    exang: float
    oldpeak: float
    slope: float
    ca: float
    thal: float


@bentoml.service(workers=1)
class Heart:
    def __init__(self) -> None:
        self.model = joblib.load("model.joblib")

    def probabilities(self, rows: list[Row]) -> list[float]:
        tensor = np.array([list(row.model_dump().values()) for row in rows], dtype=np.float32)
        return self.model.predict_proba(tensor)[:, 1].tolist()

    @bentoml.api
    def predict(self, row: Row) -> float:
        return self.probabilities([row])[0]

    @bentoml.api
    def predict_many(self, rows: list[Row]) -> list[float]:
        return self.probabilities(rows)
