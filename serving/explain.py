"""`POST /explain`: how much each field of a row moved its probability away from that of a typical row.

Contributions are interventional Shapley values (Lundberg & Lee 2017) in units of probability: the unit that
`/predict` answers in, which every family of models has (a forest's log-odds may be infinite), and in which

    baseline + sum of contributions = probability

holds exactly. The baseline is the mean probability of the bundle's background rows.
"""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from time import perf_counter
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary, proxy

import msgspec
import numpy as np

from serving.bundle import Model
from serving.http import Answer, Request, Route
from serving.problems import Problem, Violation, invalid
from serving.shapley import Explainer

MAX_ROWS = 32
BUDGET_MS, LEAST_MS, MOST_MS = 250, 1, 5_000


class Contribution(msgspec.Struct, gc=False):
    """What one field adds to the probability."""

    feature: str
    contribution: float
    standard_error: float
    """Of the estimate; 0 where the value is exact."""


class Explanation(msgspec.Struct, gc=False):
    """One row's answer; `probability` is that of the class named by `explained`."""

    prediction: int
    probability: float
    label: str
    explained: str
    unit: str
    baseline: float
    contributions: list[Contribution]
    exact: bool
    background_rows: int
    evaluations: int
    model: str
    version: str
    request_id: str


_encode = msgspec.json.Encoder().encode
_explainers: WeakKeyDictionary[Model, Explainer] = WeakKeyDictionary()


def explain(model: Model, request: Request) -> Answer:
    """`POST /explain?budget_ms=250`: one object or a list of them, as for `/predict`.

    Exact where the budget allows; else sampled, with the standard error of each contribution.

    Raises:
        Problem: The body does not fit the contract, there are too many rows, the budget is no such number, or
            the bundle has nothing to explain against.
    """
    deadline = perf_counter() + _budget_ms(request.query) / 1000
    rows, many = model.rows.read(request.body)
    if len(rows) > MAX_ROWS:
        detail = f"the list has {len(rows)} rows; at most {MAX_ROWS} are explained in one request"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-rows", detail)
    explainer = _explainer(model)
    tensor = np.array(rows, dtype=np.float32)
    probabilities = model.infer(tensor).tolist()
    answers = []
    for number, (row, each) in enumerate(zip(tensor, probabilities, strict=True)):
        seconds = max(deadline - perf_counter(), 0.0) / (len(rows) - number)
        answers.append(_one(model, explainer, row, each, seconds, request.id))
    return Answer(_encode(answers if many else answers[0]))


def _one(
    model: Model, explainer: Explainer, row: np.ndarray, probabilities: list[float], seconds: float, request_id: str
) -> Explanation:
    predicted = model.choose(probabilities)
    column = predicted if model.threshold is None else len(probabilities) - 1
    found = explainer.explain(row, column, seconds)
    contributions = [
        Contribution(name, float(value), float(error))
        for name, value, error in zip(model.rows.names, found.values, found.standard_errors, strict=True)
    ]
    contributions.sort(key=lambda each: -abs(each.contribution))
    return Explanation(
        prediction=predicted,
        probability=probabilities[column],
        label=model.classes[predicted],
        explained=model.classes[column],
        unit="probability",
        baseline=found.baseline,
        contributions=contributions,
        exact=found.exact,
        background_rows=len(explainer.background),
        evaluations=found.evaluations,
        model=model.name,
        version=model.version,
        request_id=request_id,
    )


def _explainer(model: Model) -> Explainer:
    explainer = _explainers.get(model)
    if explainer is None:
        rows = model.serving.get("background")
        if not rows:
            detail = f"version {model.version} has no background rows to explain against"
            raise Problem(HTTPStatus.NOT_FOUND, "no-background", detail)
        infer = partial(Model.infer, proxy(model))  # `model.infer` holds its model, so no entry would ever go
        explainer = _explainers[model] = Explainer(infer, np.array(rows, dtype=np.float32))
    return explainer


def _budget_ms(query: bytes) -> int:
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("budget_ms", [str(BUDGET_MS)])[-1]
    if re.fullmatch(r"\d{1,9}", given, re.ASCII) and LEAST_MS <= int(given) <= MOST_MS:
        return int(given)
    raise invalid([Violation("budget_ms", given, f"a whole number from {LEAST_MS} to {MOST_MS}")])


ROUTES = (Route("POST", "/explain", explain, scope="explain", threaded=True),)
