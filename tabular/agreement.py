"""Whether the parts of a contract agree with each other: every name one of its own, every test one that can be run."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from project.strict_yaml import Path_, did_you_mean
from tabular.cells import allowed, is_allowed, is_missing_code, parse_cell
from tabular.columns import Feature
from tabular.expectations import Case, Direction

if TYPE_CHECKING:
    from tabular.contract import Contract

UNSPEAKABLE = re.compile(r'["\\\x00-\x1f]')
"""What the server's JSON decoder takes in no field's name."""


def disagreements(contract: Contract) -> Iterator[tuple[Path_, str]]:
    """Each problem as its path in the contract and a sentence."""
    yield from _columns(contract)
    features, behaviour = contract.features, contract.behaviour
    for name, segment in contract.segments.items():
        at: Path_ = ("segments", name)
        if segment.feature not in features:
            yield (*at, "feature"), _no_feature(segment.feature, features)
        elif bool(segment.edges) != features[segment.feature].is_number:
            yield at, "edges cut a number into ranges; a category or boolean has none, a number needs them"
        if any(low >= high for low, high in itertools.pairwise(segment.edges)):
            yield (*at, "edges"), "the edges must rise"
    for index, direction in enumerate(behaviour.directions):
        for key, message in _direction(contract, direction):
            yield ("behaviour", "directions", index, key), message
    for index, invariance in enumerate(behaviour.invariances):
        at = ("behaviour", "invariances", index, "feature")
        if invariance.feature not in features:
            yield at, _no_feature(invariance.feature, features)
        elif not features[invariance.feature].is_number:
            yield at, f"{invariance.feature!r} is a {features[invariance.feature].type}; only numbers have a 'within'"
    for index, case in enumerate(behaviour.cases):
        for below, message in _case(contract, case):
            yield ("behaviour", "cases", index, *below), message


def _columns(contract: Contract) -> Iterator[tuple[Path_, str]]:
    target, listed = contract.target.column, contract.reading.columns
    if target in contract.features:
        yield ("target", "column"), f"the target {target!r} is also a feature"
    named: list[tuple[Path_, str]] = [(("features", name), name) for name in contract.features]
    for at, name in [*named, (("target", "column"), target)]:
        if not name or name.startswith("_"):
            yield at, f"{name!r} can not name a column: names that begin with an underscore are the project's own"
        elif UNSPEAKABLE.search(name) and name != target:
            yield at, f"{name!r} can not name a feature: it has a quotation mark, a backslash or a line break"
        elif listed and name not in listed:
            yield at, f"{name!r} is not in 'reading.columns'{did_you_mean(name, listed)}"
    training = [name for name, site in contract.sites.items() if site.role == "train"]
    if len(training) != 1:
        found = f": {', '.join(training)}" if training else ""
        yield ("sites",), f"exactly one site has role 'train', found {len(training)}{found}"


def _direction(contract: Contract, direction: Direction) -> Iterator[tuple[str, str]]:
    if direction.feature not in contract.features:
        yield "feature", _no_feature(direction.feature, contract.features)
        return
    feature = contract.features[direction.feature]
    if direction.step is not None and not feature.is_number:
        yield "step", f"{direction.feature!r} is a {feature.type}; only a number moves by a step"
    for key, code in (("from_code", direction.from_code), ("to_code", direction.to_code)):
        if code is not None and code not in feature.codes:
            yield key, f"{code!r} is no code of {direction.feature!r}{did_you_mean(str(code), _texts(feature))}"
    labels = contract.target.labels
    if direction.label is not None and direction.label not in labels:
        yield "label", f"{direction.label!r} is no class{did_you_mean(direction.label, labels)}"
    if direction.label is None and contract.task == "multiclass":
        yield "label", "a target of more than two classes needs 'label', the class whose probability moves"


def _case(contract: Contract, case: Case) -> Iterator[tuple[Path_, str]]:
    for name, value in case.row.items():
        if name not in contract.features:
            yield ("row", name), _no_feature(name, contract.features)
            continue
        feature = contract.features[name]
        if value is None or is_missing_code(value, feature):
            continue
        parsed = parse_cell(value, feature)
        if parsed is None or not is_allowed(parsed, feature):
            yield ("row", name), f"{name!r} is {value!r}, allowed: {allowed(feature)}"
    if case.label not in contract.target.labels:
        yield ("label",), f"{case.label!r} is no class{did_you_mean(case.label, contract.target.labels)}"


def _no_feature(name: str, features: dict[str, Feature]) -> str:
    return f"{name!r} is not a feature{did_you_mean(name, list(features))}"


def _texts(feature: Feature) -> list[str]:
    return [str(code) for code in feature.codes]
