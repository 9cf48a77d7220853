"""What goes over the wire. The server may add fields in a later version; these read what they know."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Row(BaseModel):
    """One row; a generated module has the subclass with the fields of its model.

    A field that is None or left out was not measured. Numbers are not read from texts, nor from True and False.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, protected_namespaces=()
    )


class Interval(BaseModel):
    """The classes that hold the true one in the share `level` of rows like the training rows, the likeliest first.

    Where there are two classes, the `label` of the answer weighs errors by its threshold besides: it may be another.
    """

    level: float
    labels: list[str]


class Novelty(BaseModel):
    """Whether the row has a value that no training row reaches, and in which fields."""

    is_new: bool
    fields: list[str]


class Prediction(BaseModel):
    """The answer for one row."""

    prediction: int
    """The predicted class, counted from 0."""
    probability: float
    """Of the positive class where there are two, else of `label`."""
    label: str
    """The predicted class; the generated module has an enum `Label` of all."""
    probabilities: dict[str, float] | None = None
    """Of every class, where there are more than two."""
    interval: Interval | None = None
    """Where it was asked for."""
    novelty: Novelty | None = None
    """With the interval."""
    model: str
    version: str
    request_id: str


class Contribution(BaseModel):
    """What the value of one field adds to the baseline, in units of probability."""

    feature: str
    contribution: float
    standard_error: float
    """Of the estimate; 0 where the value is exact."""


class Explanation(BaseModel):
    """What moved the probability of one row; `baseline` and all contributions add up to `probability`."""

    prediction: int
    probability: float
    """Of the class that `explained` names."""
    label: str
    explained: str
    baseline: float
    """The mean probability of the background rows."""
    contributions: list[Contribution]
    """The largest first."""
    exact: bool
    """False where the budget allowed an estimate only."""
    model: str
    version: str
    request_id: str


class Violation(BaseModel):
    """One value that does not fit the contract."""

    field: str
    row: int | None = None
    """Row of a list, counted from 1."""
    value: Any
    allowed: str
    """What would be taken, in words."""
    detail: str


class Problem(BaseModel):
    """A problem document, RFC 9457."""

    type: str
    """For programs: `urn:problem:invalid-value`."""
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Violation] = []
