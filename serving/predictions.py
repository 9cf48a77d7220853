"""`POST /predict`: one row or a list of rows, as JSON objects."""

from __future__ import annotations

import msgspec

from serving.bundle import Model
from serving.http import Answer, Request, Route


class Prediction(msgspec.Struct, gc=False):
    """One row's answer; for a binary model `probability` is that of the positive class."""

    prediction: int
    probability: float
    label: str
    model: str
    version: str
    request_id: str


class MulticlassPrediction(Prediction, gc=False):
    """One row's answer of a model with more than two classes; `probability` is that of `label`."""

    probabilities: dict[str, float]


_encode = msgspec.json.Encoder().encode


def predict(model: Model, request: Request) -> Answer:
    """`POST /predict`: one object or a list of them.

    Raises:
        Problem: The body does not fit the contract.
    """
    rows, many = model.rows.read(request.body)
    if not many:
        row = model.one(rows[0])
        index = model.choose(row)
        return Answer(_encode(_one(model, row, index, request.id)), (index,))
    probabilities = model.probabilities(rows).tolist()
    predicted = [model.choose(row) for row in probabilities]
    answers = [_one(model, row, index, request.id) for row, index in zip(probabilities, predicted, strict=True)]
    return Answer(_encode(answers), predicted)


def _one(model: Model, probabilities: list[float], index: int, request_id: str) -> Prediction:
    label = model.classes[index]
    if model.threshold is not None:
        return Prediction(index, probabilities[-1], label, model.name, model.version, request_id)
    each = dict(zip(model.classes, probabilities, strict=True))
    return MulticlassPrediction(
        index, probabilities[index], label, model.name, model.version, request_id, probabilities=each
    )


ROUTES = (Route("POST", "/predict", predict),)
