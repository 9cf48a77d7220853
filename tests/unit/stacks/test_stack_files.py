"""Reading a stack: the two files, the variables, what one stack takes from another."""

from collections.abc import Callable
from pathlib import Path

import pytest

from project.errors import ConfigError
from project.paths import ROOT
from stacks.files import names, read_stack, secret_references, server_of
from tests.unit.stacks.conftest import VARIABLES

Edit = Callable[[str, str, str], Path]


def test_shipped_stacks() -> None:
    assert names() == ["eks", "local", "minikube"]


@pytest.mark.parametrize(
    ("stack", "environment", "server"),
    [
        pytest.param("local", {}, "local", id="local"),
        pytest.param("eks", {}, "EKS_ZENML_URL is not set", id="no variable"),
        pytest.param("eks", {"EKS_ZENML_URL": ""}, "EKS_ZENML_URL is not set", id="an empty variable"),
        pytest.param("eks", {"EKS_ZENML_URL": "https://zenml.example"}, "https://zenml.example", id="set"),
    ],
)
def test_where_a_stack_lives(stack: str, environment: dict[str, str], server: str) -> None:
    assert server_of(stack, environment) == server


def test_local_needs_no_variable() -> None:
    stack = read_stack("local", {})
    assert {c.type: c.flavor for c in stack.components} == {
        "orchestrator": "local",
        "artifact_store": "local",
        "experiment_tracker": "mlflow",
        "model_registry": "mlflow",
        "model_deployer": "tabular_local",
    }
    tracker = stack.component("experiment_tracker")
    assert tracker is not None
    assert tracker.configuration == {"tracking_uri": f"sqlite:///{ROOT}/mlflow.db"}
    assert stack.component("step_operator") is None


def test_project_root_is_not_the_environment_s() -> None:
    tracker = read_stack("local", {"PROJECT_ROOT": "/elsewhere"}).component("experiment_tracker")
    assert tracker is not None
    assert tracker.configuration["tracking_uri"] == f"sqlite:///{ROOT}/mlflow.db"


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(ConfigError) as refusal:
        read_stack("minikube", {})
    assert refusal.value.cause.startswith("stacks/minikube.yaml:")
    assert "the variable MINIKUBE_S3_URL is not set (nor MINIKUBE_MLFLOW_URL, " in refusal.value.cause
    assert refusal.value.next_step == (
        "export MINIKUBE_S3_URL=… MINIKUBE_MLFLOW_URL=… MINIKUBE_ENDPOINT_URL=… MINIKUBE_ZENML_URL=…"
    )


def test_eks_is_minikube_with_other_values() -> None:
    base, eks = read_stack("minikube", VARIABLES), read_stack("eks", VARIABLES)
    below, above = base.component("orchestrator"), eks.component("orchestrator")
    assert below is not None
    assert above is not None
    differing = {key for key in above.configuration if above.configuration[key] != below.configuration.get(key)}
    assert differing == {"kubernetes_context", "max_parallelism", "pod_settings", "orchestrator_pod_settings"}
    assert above.configuration["pod_settings"] == {
        **below.configuration["pod_settings"],
        "node_selectors": {"karpenter.sh/capacity-type": "spot"},
    }
    assert above.configuration["service_account_name"] == "tabular-orchestrator"
    store = eks.component("artifact_store")
    assert store is not None
    assert store.configuration == {"path": "s3://bucket/zenml", "client_kwargs": {"region_name": "eu-central-1"}}


def test_every_name_carries_its_stack() -> None:
    for name in names():
        assert {component.name for component in read_stack(name, VARIABLES).components} == {name}


def test_an_inherited_key_knows_its_line() -> None:
    orchestrator = read_stack("eks", VARIABLES).component("orchestrator")
    assert orchestrator is not None
    assert orchestrator.line("service_account_name").startswith("stacks/minikube.yaml:")
    assert orchestrator.line("max_parallelism").startswith("stacks/eks.yaml:")
    assert orchestrator.line("max_parallelism", "deeper") == orchestrator.line("max_parallelism")


def test_digest_follows_the_variables() -> None:
    one = read_stack("minikube", VARIABLES).digest
    assert one == read_stack("minikube", VARIABLES).digest
    assert one != read_stack("minikube", {**VARIABLES, "MINIKUBE_BUCKET": "other"}).digest


def test_secret_references() -> None:
    configuration = {"a": "{{ one.two }}", "b": "text {{one.two}}", "c": 3, "d": "{{s-1.k_2}}"}
    assert list(secret_references(configuration)) == [("a", "one", "two"), ("d", "s-1", "k_2")]


def test_unknown_stack(folder: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_stack("minicube", VARIABLES, folder)
    assert refusal.value.cause == "there is no stack 'minicube'; did you mean 'minikube'?"
    assert refusal.value.next_step == "python run.py stack list"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        pytest.param(
            "local.yaml", "stack_name: local", "stack_name: other", "stack_name is 'other'", id="another name"
        ),
        pytest.param("local.yaml", "type: orchestrator", "type: alerter", "stands under 'orchestrator'", id="type"),
        pytest.param("local.yaml", "  orchestrator:", "  orchestrater:", "did you mean 'orchestrator'", id="component"),
        pytest.param("local.yaml", "0.98.0", "latest", "zenml_version", id="version"),
        pytest.param("local.resources.yaml", "kind: local", "kind: lokal", "server", id="server kind"),
        pytest.param("local.resources.yaml", "model_deployer", "model_deploier", "model_deploier", id="flavor type"),
        pytest.param("local.resources.yaml", "deployers.flavors.T", "deployers/T", "flavors", id="flavor source"),
        pytest.param(
            "eks.resources.yaml", "extends: minikube", "extends: minikub", "did you mean 'minikube'", id="base"
        ),
        pytest.param("eks.resources.yaml", "EKS_MLFLOW_PASSWORD", "hunter2", "password", id="a value, not a variable"),
    ],
)
def test_what_does_not_fit_is_refused(edit: Edit, file: str, old: str, new: str, message: str) -> None:
    folder = edit(file, old, new)
    with pytest.raises(ConfigError) as refusal:
        read_stack(file.partition(".")[0], VARIABLES, folder)
    assert message in refusal.value.cause
    assert f"{file}:" in refusal.value.cause


def test_a_secret_that_is_not_declared_is_refused(edit: Edit) -> None:
    folder = edit("eks.resources.yaml", "password: EKS", "pasword: EKS")
    with pytest.raises(
        ConfigError, match=r"eks\.yaml:\d+: .*'eks-mlflow\.password' is not declared .* 'eks-mlflow\.pasword'"
    ):
        read_stack("eks", VARIABLES, folder)


def test_a_stack_without_a_sidecar_is_refused(folder: Path) -> None:
    (folder / "local.resources.yaml").unlink()
    with pytest.raises(ConfigError, match=r"local\.resources\.yaml does not exist"):
        read_stack("local", {}, folder)


def test_stacks_that_extend_each_other_are_refused(folder: Path) -> None:
    with (folder / "minikube.resources.yaml").open("a") as file:
        file.write("extends: eks\n")
    with pytest.raises(
        ConfigError,
        match=r"eks\.resources\.yaml: a stack can not stand on itself: minikube extends eks extends minikube",
    ):
        read_stack("minikube", VARIABLES, folder)
