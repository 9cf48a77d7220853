"""The contract of a data set: the only place where a column is named.

Validation, features, serving schema, demo form, drift and model card derive from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from project.errors import ConfigError
from project.paths import CONTRACTS, NAME
from project.strict_yaml import Strict, did_you_mean, misfits, read_tree, shown, validate
from tabular.agreement import disagreements
from tabular.columns import Feature, Target
from tabular.expectations import Behaviour, Checks, Segment


class Source(Strict):
    """Where the data set comes from and under which terms it may be used."""

    page: str
    licence: str
    citation: str


class Use(Strict):
    """What a model of this data is meant for, for its card."""

    intended: str = ""
    not_for: str = ""
    ethics: str = ""
    """Who agreed to the use of the rows, and who is seldom among them."""


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
        if self.columns and (self.header or self.format == "parquet"):
            raise ValueError("'columns' is for a CSV file without header; this one names its own")
        repeated = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if repeated:
            raise ValueError(f"column {repeated[0]!r} is listed twice in 'columns'")
        return self


class Site(Strict):
    """One place the rows come from.

    `train` rows are learnt from and tested on, `external` ones only reported; `unlabelled` ones have no known class, so
    that they are watched and adapted to, and nothing is measured on them.
    """

    role: Literal["train", "external", "unlabelled"]
    path: str
    """A file below the project, an absolute path, or an address fsspec opens (`https://`, an object store)."""
    url: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    description: str = ""


class Contract(Strict):
    """A tabular classification data set, described once."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    title: str
    description: str = ""
    source: Source
    use: Use = Use()
    reading: Reading = Reading()
    target: Target
    features: Annotated[dict[str, Feature], Field(min_length=1)]
    sites: Annotated[dict[str, Site], Field(min_length=1)]
    segments: dict[str, Segment] = {}
    behaviour: Behaviour = Behaviour()
    checks: Checks = Checks()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        found = list(disagreements(self))
        if found:
            raise misfits(found)
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

    @property
    def numbers(self) -> list[int]:
        """Positions of the features that are numbers among all, as in a row's tensor."""
        return [index for index, feature in enumerate(self.features.values()) if feature.is_number]

    @property
    def watched_sites(self) -> list[str]:
        """Sites whose rows may drift from those of the training site."""
        return [name for name, site in self.sites.items() if site.role != "train"]


def contract_names(folder: Path = CONTRACTS) -> list[str]:
    """Names of the contracts in a folder, by default `configs/datasets`."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_contract(name: str, folder: Path = CONTRACTS) -> Contract:
    """Read `configs/datasets/NAME.yaml`.

    Raises:
        ConfigError: There is no such contract, or it does not fit the schema.
    """
    path = folder / f"{name}.yaml"
    if not NAME.fullmatch(name) or not path.is_file():
        raise ConfigError(
            f"data set {name!r} has no contract{did_you_mean(name, contract_names(folder))}",
            "python run.py data init FILE.csv --target COLUMN",
        )
    value, lines = read_tree(path)
    contract = validate(value, Contract, path, lines)
    if contract.name != name:
        line = lines[("name",)]
        raise ConfigError(f"{shown(path)}:{line}: name is {contract.name!r}, the file says {name!r}")
    return contract


def refuse_unknown_sites(contract: Contract, sites: Iterable[str]) -> None:
    """Refuse names that are no site of the contract.

    Raises:
        ConfigError: One is not.
    """
    for site in sites:
        if site not in contract.sites:
            raise ConfigError(
                f"{contract.name} has no site {site!r}{did_you_mean(site, list(contract.sites))}",
                f"python run.py data describe --dataset {contract.name}",
            )


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
