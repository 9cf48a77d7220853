"""A stack against ZenML's flavors, and the mutation test: no key of a stack file can be misspelt unnoticed."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from project.errors import ConfigError, Exit
from project.paths import STACKS
from stacks.files import names, read_stack
from stacks.schema import ComponentType
from stacks.validation import validate_stack
from tests.unit.stacks.conftest import VARIABLES

Edit = Callable[[str, str, str], Path]
# Names of the user's: secrets and their keys, labels of pods and nodes, quantities.
FREE = ("secrets.", "labels.", "node_selectors.", "requests.", "limits.")
# What Kubernetes reads and refuses itself: ours ends where the pod's own structures begin.
FOREIGN = ("capabilities.drop", "seccompProfile.type")


@pytest.mark.parametrize("name", names())
def test_shipped_stacks_fit_zenml(name: str) -> None:
    stack = read_stack(name, VARIABLES)
    stored = validate_stack(stack)
    assert stored == {component.type: component.configuration for component in stack.components}


def test_component_types_are_zenml_s() -> None:
    from zenml.enums import StackComponentType

    assert sorted(get_args(ComponentType)) == sorted(kind.value for kind in StackComponentType)


def keys(tree: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield (*at, key)
            yield from keys(value, (*at, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from keys(value, (*at, index))


def owned(at: tuple[str | int, ...]) -> bool:
    dotted = ".".join(map(str, at))
    return not any(part in f"{dotted}" and not dotted.endswith(part) for part in FREE) and not dotted.endswith(FOREIGN)


def renamed(tree: Any, at: tuple[str | int, ...]) -> Any:
    head, *rest = at
    if isinstance(tree, list):
        return [renamed(v, tuple(rest)) if i == head else v for i, v in enumerate(tree)]
    if not rest:
        return {f"{key}x" if key == head else key: value for key, value in tree.items()}
    return {key: renamed(value, tuple(rest)) if key == head else value for key, value in tree.items()}


def mutations() -> Iterator[Any]:
    for file in sorted(STACKS.glob("*.yaml")):
        for at in keys(yaml.safe_load(file.read_text())):
            if owned(at):
                yield pytest.param(file.name, at, id=f"{file.name}:{'.'.join(map(str, at))}")


@pytest.mark.parametrize(("file", "at"), list(mutations()))
def test_a_renamed_key_is_refused(folder: Path, file: str, at: tuple[str | int, ...]) -> None:
    path = folder / file
    path.write_text(yaml.safe_dump(renamed(yaml.safe_load(path.read_text()), at), sort_keys=False))
    with pytest.raises(ConfigError) as refusal:
        validate_stack(read_stack(file.partition(".")[0], VARIABLES, folder))
    assert refusal.value.exit_code == Exit.USAGE
    assert re.match(rf"{re.escape(str(folder))}/[a-z.]+:\d+: ", refusal.value.cause)
    assert "did you mean" in refusal.value.cause


def test_the_mutations_cover_what_is_written() -> None:
    dotted = {parameter.id for parameter in mutations()}
    assert "local.yaml:components.experiment_tracker.0.configuration.tracking_uri" in dotted
    assert "minikube.yaml:components.orchestrator.0.configuration.pod_settings.resources.requests" in dotted
    assert len(dotted) > 150


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        pytest.param(
            "local.yaml", "tracking_uri:", "tracking_url:",
            ":20: unknown key 'tracking_url' for the mlflow experiment_tracker; did you mean 'tracking_uri'?",
            id="key",
        ),
        pytest.param(
            "local.yaml", "flavor: mlflow", "flavor: mlfow",
            ":18: unknown experiment_tracker flavor 'mlfow'; did you mean 'mlflow'?", id="flavor",
        ),
        pytest.param(
            "local.yaml", "port: 8000", "port: eighty", "'port' is 'eighty', expected a whole number", id="type",
        ),
        pytest.param(
            "local.resources.yaml", "TabularLocalFlavor", "TabularLokalFlavor", "can not be imported",
            id="no such flavor",
        ),
        pytest.param(
            "local.resources.yaml", "deployers.flavors.TabularLocalFlavor",
            "pathlib.Path", "is not a ZenML",
            id="no flavor",
        ),
        pytest.param(
            "local.resources.yaml", "type: model_deployer", "type: deployer", "is a model_deployer, not",
            id="wrong type",
        ),
        pytest.param("local.yaml", "zenml_version: 0.98.0", "zenml_version: 0.97.0", "0.97.0, installed", id="version"),
        pytest.param(
            "minikube.yaml", "endpoint_url:", "endpont_url:", "did you mean 'endpoint_url'", id="an argument of boto3",
        ),
        pytest.param(
            "minikube.yaml", "runAsUser", "run_as_user", "did you mean 'runAsUser'", id="a field of Kubernetes",
        ),
        pytest.param("minikube.yaml", "s3://${", "gs://${", "s3://", id="a path of another cloud"),
    ],
)  # fmt: skip
def test_what_zenml_would_not_take_is_refused(edit: Edit, file: str, old: str, new: str, message: str) -> None:
    folder = edit(file, old, new)
    with pytest.raises(ConfigError) as refusal:
        validate_stack(read_stack(file.partition(".")[0], VARIABLES, folder))
    assert message in refusal.value.cause


def test_a_secret_written_as_a_value_is_refused(edit: Edit) -> None:
    edit("minikube.yaml", "name: minikube\n      type: artifact_store", "name: store\n      type: artifact_store")
    folder = edit("minikube.yaml", '"{{minikube-s3.secret}}"', "hunter2")
    with pytest.raises(ConfigError) as refusal:
        validate_stack(read_stack("minikube", VARIABLES, folder))
    assert refusal.value.cause.endswith("'secret' is a secret and must be a reference, not a value")
    assert refusal.value.next_step.endswith(f"declare it under 'secrets' in {folder / 'minikube.resources.yaml'}")
    assert "hunter2" not in str(refusal.value)
