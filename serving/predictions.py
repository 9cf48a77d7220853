"""`POST /predict`: one row or a list of rows, as JSON objects."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from serving.bundle import Model
from serving.http import Answer, Request, Route
from serving.rows import Rows
from serving.uncertainty import Interval, Novelty, asked_level, interval, novelty


class Prediction(msgspec.Struct, gc=False):
    """One row's answer; for a binary model `probability` is that of the positive class."""

    prediction: int
    probability: float
    label: str
    model: str
    version: str
    request_id: str
    interval: Interval | UnsetType = UNSET
    novelty: Novelty | UnsetType = UNSET


class MulticlassPrediction(Prediction, gc=False, kw_only=True):
    """One row's answer of a model with more than two classes; `probability` is that of `label`."""

    probabilities: dict[str, float]


_encode = msgspec.json.Encoder().encode


def predict(model: Model, request: Request) -> Answer:
    """`POST /predict[?interval=0.9]`: one object or a list of them.

    Raises:
        Problem: The body does not fit the contract, or the level of the interval is none.
    """
    level = asked_level(model, request.query) if request.query else None
    rows, many = model.rows.read(request.body)
    if level is not None:
        return _with_intervals(model, rows, many, level, request.id)
    if not many:
        row = model.one(rows[0])
        index = model.choose(row)
        return Answer(_encode(_one(model, row, index, request.id)), (index,))
    probabilities = model.probabilities(rows).tolist()
    predicted = [model.choose(row) for row in probabilities]
    answers = [_one(model, row, index, request.id) for row, index in zip(probabilities, predicted, strict=True)]
    return Answer(_encode(answers), predicted)


def _with_intervals(model: Model, rows: Rows, many: bool, level: str, request_id: str) -> Answer:
    answers, predicted = [], []
    for row, probabilities in zip(rows, model.probabilities(rows).tolist(), strict=True):
        predicted.append(model.choose(probabilities))
        answer = _one(model, probabilities, predicted[-1], request_id)
        answer.interval, answer.novelty = interval(model, probabilities, level), novelty(model, row)
        answers.append(answer)
    return Answer(_encode(answers if many else answers[0]), predicted)


def _one(model: Model, probabilities: list[float], index: int, request_id: str) -> Prediction:
    label = model.classes[index]
    if model.threshold is not None:
        return Prediction(index, probabilities[-1], label, model.name, model.version, request_id)
    each = dict(zip(model.classes, probabilities, strict=True))
    return MulticlassPrediction(
        index, probabilities[index], label, model.name, model.version, request_id, probabilities=each
    )


ROUTES = (Route("POST", "/predict", predict),)
