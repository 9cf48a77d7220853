"""The columns of a contract: what is predicted, and from what."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.strict_yaml import Strict, did_you_mean

Code = int | str
"""A category as it stands in the data: all codes of a feature are integers, or all are strings."""


class TargetClass(Strict):
    """One class of the target: its label, and the raw values that mean it."""

    label: str
    values: Annotated[list[Code | bool], Field(min_length=1)]


class Target(Strict):
    """What is predicted."""

    column: str
    description: str = ""
    classes: Annotated[list[TargetClass], Field(min_length=2)]
    positive: str | None = None
    """Binary only: the label whose probability is judged against the threshold."""

    @model_validator(mode="before")
    @classmethod
    def _no_quantity(cls, value: object) -> object:
        if isinstance(value, dict) and not value.get("classes"):
            if get_close_matches("classes", map(str, value.keys() - cls.model_fields.keys())):
                return value  # a misspelt key is said with its line
            raise ValueError("a target needs 'classes', two or more: a quantity is not predicted here")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        labels = [c.label for c in self.classes]
        for what, names in (("label", labels), ("value", self.values)):
            repeated = sorted({n for n in names if names.count(n) > 1})
            if repeated:
                raise ValueError(f"{what} {repeated[0]!r} stands in two classes")
        if len(labels) == 2 and self.positive is None:
            raise ValueError(f"a target of two classes needs 'positive', one of: {', '.join(labels)}")
        if len(labels) > 2 and self.positive is not None:
            raise ValueError("'positive' is for a target of two classes")
        if self.positive is not None and self.positive not in labels:
            raise ValueError(f"'positive' is {self.positive!r}{did_you_mean(self.positive, labels)}")
        return self

    @property
    def values(self) -> list[str]:
        """The raw values of all classes as they are written."""
        written = [value for one in self.classes for value in one.values]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in written]

    @property
    def labels(self) -> list[str]:
        """Class labels in the order of the model's probabilities; for a binary target the positive one is last."""
        return sorted((c.label for c in self.classes), key=lambda label: label == self.positive)


class Category(Strict):
    """A code and what people call it."""

    code: Code
    label: str


class Feature(Strict):
    """One input of the model."""

    type: Literal["number", "integer", "boolean", "category"]
    description: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: list[Category | Code] = []
    """Categories: allowed codes, each alone or with a label for people."""
    missing: list[float | str] = []
    """Values that stand for "not measured" in this column, e.g. a cholesterol of 0."""
    nullable: bool = True
    """Whether a row without this value may be trained on and predicted."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type == "category":
            if not self.values:
                raise ValueError("a category needs 'values', its allowed codes")
            if len(set(self.codes)) < len(self.codes):
                raise ValueError("'values' lists a code twice")
            if len({type(code) for code in self.codes}) > 1:
                raise ValueError("'values' mixes numbers and strings; quote the numbers or drop the strings")
            if self.minimum is not None or self.maximum is not None:
                raise ValueError("'minimum' and 'maximum' are for numbers")
        elif self.values:
            raise ValueError(f"'values' is for categories, not for type {self.type!r}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum:g} is above maximum {self.maximum:g}")
        return self

    @property
    def is_number(self) -> bool:
        """Whether its values lie on a scale, whole or not, rather than being codes."""
        return self.type in ("number", "integer")

    @property
    def codes(self) -> list[Code]:
        """Allowed codes of a category in contract order, else an empty list."""
        return [v.code if isinstance(v, Category) else v for v in self.values]

    @property
    def labels(self) -> list[str]:
        """The codes as people read them, in the same order."""
        return [v.label if isinstance(v, Category) else str(v) for v in self.values]
