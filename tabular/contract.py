"""The contract of a data set: the only place where a column is named.

Validation, features, serving schema, demo form, drift and model card derive from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.errors import ConfigError
from project.paths import CONTRACTS
from project.strict_yaml import Strict, did_you_mean, read_yaml

Code = int | str
"""A category as it stands in the data: all codes of a feature are integers, or all are strings."""


class Source(Strict):
    """Where the data set comes from and under which terms it may be used."""

    page: str
    licence: str
    citation: str


class Reading(Strict):
    """How the files are written; the defaults are those of a plain CSV with a header."""

    format: Literal["csv", "parquet"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    header: bool = True
    columns: list[str] = []
    encoding: str = "utf-8"
    missing: list[str] = ["", "NA", "NaN", "nan", "null"]

    @model_validator(mode="after")
    def _columns_where_there_is_no_header(self) -> Self:
        if not self.header and not self.columns:
            raise ValueError("a file without header needs 'columns', the names in file order")
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if repeated:
            raise ValueError(f"column {repeated[0]!r} is listed twice in 'columns'")
        return self


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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        labels = [c.label for c in self.classes]
        values = [str(v) for c in self.classes for v in c.values]
        for what, names in (("label", labels), ("value", values)):
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
    def codes(self) -> list[Code]:
        """Allowed codes of a category in contract order, else an empty list."""
        return [v.code if isinstance(v, Category) else v for v in self.values]

    @property
    def labels(self) -> list[str]:
        """The codes as people read them, in the same order."""
        return [v.label if isinstance(v, Category) else str(v) for v in self.values]


class Site(Strict):
    """One place the rows come from: `train` rows are learnt from and tested on, `external` ones only reported."""

    role: Literal["train", "external"]
    path: str
    """A file below the project, an absolute path, or an address fsspec opens (`https://`, `s3://`)."""
    url: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    description: str = ""


class Segment(Strict):
    """A way to cut the rows for reports: by a category's codes, or by edges on a number."""

    feature: str
    edges: list[float] = []


class Direction(Strict):
    """A known effect: moving `feature` by `step` must not move the risk against `risk` on average."""

    feature: str
    step: float | None = None
    from_code: Code | None = None
    to_code: Code | None = None
    risk: Literal["rises", "falls"]
    source: str

    @model_validator(mode="after")
    def _one_way_to_move(self) -> Self:
        if (self.step is None) == (self.from_code is None or self.to_code is None):
            raise ValueError("give either 'step' (numbers) or both 'from_code' and 'to_code' (categories)")
        return self


class Case(Strict):
    """Minimum functionality: a row any sane model gets right."""

    name: str
    row: dict[str, float | int | str | bool | None]
    label: str


class Invariance(Strict):
    """A change of `feature` by at most `within` may move the probability by at most `tolerance`."""

    feature: str
    within: float
    tolerance: float


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


class Contract(Strict):
    """A tabular classification data set, described once."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    title: str
    description: str = ""
    source: Source
    reading: Reading = Reading()
    target: Target
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    sites: Annotated[dict[str, Site], Field(min_length=1)]
    segments: dict[str, Segment] = {}
    behaviour: Behaviour = Behaviour()
    checks: Checks = Checks()

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.target.column in self.features:
            raise ValueError(f"the target {self.target.column!r} is also a feature")
        training = [name for name, site in self.sites.items() if site.role == "train"]
        if len(training) != 1:
            raise ValueError(f"exactly one site has role 'train', found {len(training)}")
        if self.reading.columns:
            for name in (*self.features, self.target.column):
                if name not in self.reading.columns:
                    raise ValueError(f"{name!r} is not in 'reading.columns'{did_you_mean(name, self.reading.columns)}")
        named = [("segments", s.feature) for s in self.segments.values()]
        named += [("behaviour.directions", d.feature) for d in self.behaviour.directions]
        named += [("behaviour.invariances", i.feature) for i in self.behaviour.invariances]
        named += [("behaviour.cases", name) for case in self.behaviour.cases for name in case.row]
        for where, name in named:
            if name not in self.features:
                raise ValueError(f"{where} names {name!r}, not a feature{did_you_mean(name, list(self.features))}")
        for case in self.behaviour.cases:
            if case.label not in self.target.labels:
                raise ValueError(f"behaviour.cases label {case.label!r}{did_you_mean(case.label, self.target.labels)}")
        return self

    @property
    def task(self) -> Literal["binary", "multiclass"]:
        """`binary` for two classes, else `multiclass`."""
        return "binary" if len(self.target.classes) == 2 else "multiclass"

    @property
    def training_site(self) -> str:
        """The one site that is learnt from."""
        return next(name for name, site in self.sites.items() if site.role == "train")

    @property
    def external_sites(self) -> list[str]:
        """Sites the model never sees; only reported."""
        return [name for name, site in self.sites.items() if site.role == "external"]


def contract_names() -> list[str]:
    """Names of the contracts in `configs/datasets`."""
    return sorted(path.stem for path in CONTRACTS.glob("*.yaml"))


def load_contract(name: str, folder: Path = CONTRACTS) -> Contract:
    """Read `configs/datasets/NAME.yaml`.

    Raises:
        ConfigError: There is no such contract, or it does not fit the schema.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"data set {name!r} has no contract {path.name}{did_you_mean(name, contract_names())}",
            "python run.py data init FILE.csv --target COLUMN",
        )
    contract = read_yaml(path, Contract)
    if contract.name != name:
        raise ConfigError(f"{path.name}: name is {contract.name!r}, the file says {name!r}")
    return contract


def served_contract(contract: Contract) -> dict[str, object]:
    """The contract as the bundle's `contract.json`: what a server or batch job must know, in tensor order.

    A row becomes one float32 vector: numbers and integers as they are, booleans 0 or 1, categories the
    index of their code in `codes`, a missing value NaN.
    """
    return {
        "name": contract.name,
        "title": contract.title,
        "description": contract.description,
        "source": contract.source.model_dump(),
        "task": contract.task,
        "target": contract.target.description or contract.target.column,
        "classes": contract.target.labels,
        "positive": contract.target.positive,
        "features": [
            {
                "name": name,
                "type": feature.type,
                "description": feature.description,
                "unit": feature.unit,
                "minimum": feature.minimum,
                "maximum": feature.maximum,
                "codes": feature.codes,
                "labels": feature.labels,
                "missing": feature.missing,
                "nullable": feature.nullable,
            }
            for name, feature in contract.features.items()
        ],
    }
