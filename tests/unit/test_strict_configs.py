"""No key of a shipped configuration can be misspelt, and no value be of another type, without a word.

Every schema-owned key of every contract and pipeline config is renamed in turn, in its own place in the file; the
names that users choose (features, sites, segments, candidates) are free. The stacks have the same test beside their
schema, `tests/unit/stacks/test_stack_validation.py`, which also asks ZenML's flavors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.rollout import DeploymentConfig
from project.errors import ConfigError, Exit
from project.paths import CONFIGS, CONTRACTS
from project.strict_yaml import LOADER, read_yaml
from tabular.contract import Contract
from tabular.drift import MonitoringConfig
from tabular.training_config import TrainingConfig

SCHEMAS: dict[str, type[Any]] = {
    "training.yaml": TrainingConfig,
    "monitoring.yaml": MonitoringConfig,
    "deployment.yaml": DeploymentConfig,
    **{f"datasets/{path.name}": Contract for path in sorted(CONTRACTS.glob("*.yaml"))},
}
# Where the keys below are names of the user's own.
FREE = ("features", "sites", "segments", "candidates")
# Where words and numbers may both stand: values of classes, codes, signs for missing, cells of a row, sqrt or a share.
ANY = ("values", "missing", "code", "row", "max_features")


@dataclass(frozen=True)
class Node:
    """A key or a scalar in its place."""

    file: str
    path: tuple[str | int, ...]
    node: yaml.ScalarNode

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def name(self) -> str:
        return f"{self.file}:{'.'.join(map(str, self.path))}"

    def replaced(self, text: str, new: str) -> str:
        end = self.node.end_mark.index
        folded = "\n" if self.node.style == ">" else ""  # its end is the next line's beginning
        return text[: self.node.start_mark.index] + new + folded + text[end:]


def walk(file: str, node: yaml.Node, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Node]]:
    """Keys and scalars of a file, in its order."""
    match node:
        case yaml.MappingNode():
            for key, value in node.value:
                yield "key", Node(file, (*at, key.value), key)
                yield from walk(file, value, (*at, key.value))
        case yaml.SequenceNode():
            for index, value in enumerate(node.value):
                yield from walk(file, value, (*at, index))
        case yaml.ScalarNode():
            yield "scalar", Node(file, at, node)


def shipped(kind: str) -> Iterator[Node]:
    for file in SCHEMAS:
        root = yaml.compose((CONFIGS / file).read_text(encoding="utf-8"), Loader=LOADER)
        assert root is not None
        yield from (node for found, node in walk(file, root) if found == kind)


def owned_keys() -> list[Node]:
    nodes = shipped("key")
    return [each for each in nodes if not (each.path[-2:-1] and each.path[-2] in FREE) and "row" not in each.path[:-1]]


def refusal(tmp_path: Path, node: Node, new: str) -> str:
    """What is said of the file with one token replaced."""
    text = (CONFIGS / node.file).read_text(encoding="utf-8")
    path = tmp_path / Path(node.file).name
    path.write_text(node.replaced(text, new), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_yaml(path, SCHEMAS[node.file])
    assert refused.value.exit_code is Exit.USAGE
    assert refused.value.cause.startswith(f"{path}:{node.line}: "), refused.value.cause
    assert "\n" not in refused.value.cause
    return refused.value.cause


@pytest.mark.parametrize("node", owned_keys(), ids=lambda node: node.name)
def test_a_misspelt_key_is_refused(tmp_path: Path, node: Node) -> None:
    key = str(node.path[-1])
    assert f"did you mean {key!r}?" in refusal(tmp_path, node, f"{key}x")


def test_the_keys_are_all_there() -> None:
    """The schemas' own keys, counted by hand in the shortest file; and none of the names that are free."""
    names = {node.name for node in owned_keys()}
    assert {name for name in names if name.startswith("monitoring")} == {
        "monitoring.yaml:drift",
        *(
            f"monitoring.yaml:drift.{key}"
            for key in ("minimum_rows", "drifted_from", "missing_rise", "watch_from", "retrain_from")
        ),
        "monitoring.yaml:adaptation",
        *(
            f"monitoring.yaml:adaptation.{key}"
            for key in (
                *(
                    "seed",
                    "technique",
                    "technique.family",
                    "technique.parameters",
                    "technique.parameters.C",
                    "technique.copies",
                ),
                *("technique.shares", "minimum_rows", "minimum_quality", "minimum_quality.0.metric"),
                *("minimum_quality.0.at_least", "widest_share_interval", "farthest_shares"),
                *("maximum_parity_difference", "maximum_model_bytes"),
            )
        ),
    }
    assert "training.yaml:candidates.forest.search.full.max_features" in names
    assert "datasets/heart_disease.yaml:features.age.unit" in names
    assert "datasets/heart_disease.yaml:features.age" not in names
    assert len(names) > 200


def other_types() -> Iterator[Any]:
    for node in shipped("scalar"):
        yield pytest.param(node, "{x: 1}", id=f"{node.name} a mapping")
        if any(part in ANY for part in node.path):
            continue
        number = node.node.tag.endswith((":int", ":float", ":bool", ":null"))
        yield pytest.param(node, "word" if number else "17", id=f"{node.name} {'a word' if number else 'a number'}")


@pytest.mark.parametrize(("node", "new"), other_types())
def test_a_value_of_another_type_is_refused(tmp_path: Path, node: Node, new: str) -> None:
    refusal(tmp_path, node, new)


@pytest.mark.parametrize("file", SCHEMAS)
def test_a_key_given_twice_is_refused(tmp_path: Path, file: str) -> None:
    lines = (CONFIGS / file).read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line and not line.startswith("#"))
    key = first.partition(":")[0]
    path = tmp_path / Path(file).name
    path.write_text("\n".join([*lines, f"{key}: 1"]), encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_yaml(path, SCHEMAS[file])
    assert refused.value.cause == (
        f"{path}:{len(lines) + 1}: key {key!r} was given before, on line {lines.index(first) + 1}"
    )
