"""What a FastAPI tutorial arrives at, with ONNX for the model: pydantic in, pydantic out."""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


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
    ca: float | None = None
    thal: float | None = None


class Answer(BaseModel):
    prediction: int
    probability: float


def probabilities(rows: list[Row]) -> list[float]:
    tensor = np.array([list(row.model_dump().values()) for row in rows], dtype=np.float32)
    return session.run(["probabilities"], {"features": tensor})[0][:, 1].tolist()


@app.post("/predict")
async def predict(row: Row) -> Answer:
    (p,) = probabilities([row])
    return Answer(prediction=p > 0.5, probability=p)


@app.post("/predict_many")
async def predict_many(rows: list[Row]) -> list[Answer]:
    return [Answer(prediction=p > 0.5, probability=p) for p in probabilities(rows)]
