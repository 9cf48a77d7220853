"""What a contract asks of the data and of every model: limits, segments, behaviour."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.strict_yaml import Strict
from tabular.columns import Code


class Segment(Strict):
    """A way to cut the rows for reports: by a category's codes, or by edges on a number."""

    feature: str
    edges: list[float] = []


class Direction(Strict):
    """A known effect: moving `feature` by `step` must not move the probability of `label` against `risk` on average."""

    feature: str
    step: float | None = None
    from_code: Code | None = None
    to_code: Code | None = None
    label: str | None = None
    """The class whose probability moves; without it the positive one of a binary target."""
    risk: Literal["rises", "falls"]
    source: str

    @model_validator(mode="after")
    def _one_way_to_move(self) -> Self:
        codes = (self.from_code is not None) + (self.to_code is not None)
        if codes != (2 if self.step is None else 0):
            raise ValueError("give either 'step' (numbers) or both 'from_code' and 'to_code' (categories)")
        if self.step == 0 or (codes and self.from_code == self.to_code):
            raise ValueError("the move leads nowhere")
        return self


class Case(Strict):
    """Minimum functionality: a row any sane model gets right."""

    name: str
    row: dict[str, float | int | str | bool | None]
    label: str


class Invariance(Strict):
    """A change of `feature` by at most `within` may move the probability by at most `tolerance`."""

    feature: str
    within: Annotated[float, Field(gt=0)]
    tolerance: Annotated[float, Field(ge=0, le=1)]


class Behaviour(Strict):
    """What the behaviour gate asks of every challenger."""

    directions: list[Direction] = []
    cases: list[Case] = []
    invariances: list[Invariance] = []


class Checks(Strict):
    """Limits of the data checks; the defaults are wide enough for a first contract."""

    minimum_rows: Annotated[int, Field(ge=1)] = 50
    minimum_class_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    maximum_missing_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    maximum_duplicate_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    maximum_single_feature_auc: Annotated[float, Field(ge=0.5, le=1)] = 0.98
    """A feature that alone ranks the classes better than this smells of leakage."""
