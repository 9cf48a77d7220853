"""The platform's objects as each overlay renders them, without a cluster."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest
import yaml

import deployers.kubernetes.manifests
from deployers.settings import ClusterSettings
from k8s.platform import manifests
from k8s.platform.settings import MODELS, PORTS, ROLES, SERVERS, Overlay, Settings, architecture, settings
from project.errors import ConfigError
from stacks.files import read_stack

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the path")
SETTINGS: dict[Overlay, Settings] = {
    "minikube": Settings(
        overlay="minikube",
        context="laptop",
        registry="localhost:5000/tabular",
        bucket="tabular",
        region="us-east-1",
        urls={part: f"http://192.0.2.7:{port}" for part, port in PORTS.items()},
    ),
    "eks": Settings(
        overlay="eks",
        context="team",
        registry="registry.example",
        bucket="artifacts",
        region="eu-west-1",
        urls={
            "zenml": "https://zenml.example",
            "mlflow": "https://mlflow.example",
            "gateway": "https://models.example",
        },
        gateway_class="envoy",
        roles={account: f"arn:{variable}" for variable, account in ROLES.items()},
    ),
}


def objects(overlay: Overlay) -> dict[tuple[str, str], dict[str, Any]]:
    found = list(yaml.safe_load_all(manifests.rendered(SETTINGS[overlay])))
    return {(each["kind"], each["metadata"]["name"].partition("settings-")[0]): each for each in found}


@pytest.mark.parametrize("overlay", SETTINGS)
def test_every_pod_is_restricted_and_no_secret_is_written(overlay: Overlay) -> None:
    found = objects(overlay)
    assert "Secret" not in {kind for kind, _ in found}
    deployments = [each for (kind, _), each in found.items() if kind == "Deployment"]
    assert len(deployments) == (3 if overlay == "minikube" else 2)
    for each in deployments:
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
        assert container["resources"]["limits"]["memory"]
    for name in (MODELS, SERVERS):
        assert found["Namespace", name]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_laptop_s_servers_have_ports_of_the_node_and_volumes() -> None:
    found = objects("minikube")
    ports = {name: found["Service", name]["spec"]["ports"][0]["nodePort"] for name in ("zenml", "mlflow", "s3")}
    assert ports == {name: PORTS[name] for name in ports}
    assert len([kind for kind, _ in found if kind == "PersistentVolumeClaim"]) == 3
    given = found["ConfigMap", "platform-"]["data"]
    assert given["MLFLOW_S3_ENDPOINT_URL"] == "http://192.0.2.7:30707"
    assert given["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")[0] == "192.0.2.7:30500"
    assert found["Gateway", "tabular"]["spec"]["gatewayClassName"] == "contour"


def test_eks_stores_nothing_in_the_cluster() -> None:
    found = objects("eks")
    assert not [name for kind, name in found if kind == "PersistentVolumeClaim" or name == "s3"]
    for server, variable in (("zenml", "ZENML_STORE_URL"), ("mlflow", "MLFLOW_BACKEND_STORE_URI")):
        container = found["Deployment", server]["spec"]["template"]["spec"]["containers"][0]
        (database,) = [each for each in container["env"] if each["name"] == variable]
        assert database == {
            "name": variable,
            "valueFrom": {"secretKeyRef": {"name": "databases", "key": server}},
        }
        assert found["HTTPRoute", server]["spec"]["hostnames"] == [f"{server}.example"]
    for variable, (namespace, account) in ROLES.items():
        metadata = found["ServiceAccount", account]["metadata"]
        assert metadata["namespace"] == namespace
        assert metadata["annotations"] == {"eks.amazonaws.com/role-arn": f"arn:{variable}"}
    assert found["Gateway", "tabular"]["spec"]["gatewayClassName"] == "envoy"
    assert "MLFLOW_S3_ENDPOINT_URL" not in found["ConfigMap", "platform-"]["data"]


@pytest.mark.parametrize("overlay", SETTINGS)
def test_a_namespace_that_is_made_first_is_the_one_that_is_applied(overlay: Overlay) -> None:
    """Else the first of two applies by one manager takes labels away by which the gateway takes routes."""
    file = manifests.OVERLAYS.parent / "base" / "namespaces.yaml"
    first = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    assert len(first) == 2
    for each in first:
        assert each == objects(overlay)["Namespace", each["metadata"]["name"]]


def test_the_machine_that_has_put_it_there_gets_in_and_eks_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETTINGS, "minikube", replace(SETTINGS["minikube"], client="192.0.2.1"))
    callers = objects("minikube")["NetworkPolicy", "servers"]["spec"]["ingress"][0]["from"]
    assert {"ipBlock": {"cidr": "192.0.2.1/32"}} in callers
    assert [each for each in callers if "ipBlock" in each] == callers[-1:]


@pytest.mark.parametrize(("found", "named"), [(["amd64", "amd64"], "amd64"), (["amd64", "arm64"], ""), ([], "")])
def test_nodes_of_two_architectures_are_refused(monkeypatch: pytest.MonkeyPatch, found: list[str], named: str) -> None:
    nodes = [{"status": {"nodeInfo": {"architecture": each}}} for each in found]
    monkeypatch.setattr("k8s.platform.settings.listed", lambda *_: nodes)
    if len(set(found)) > 1:
        with pytest.raises(ConfigError, match="the cluster's nodes are amd64 and arm64"):
            architecture()
    else:
        assert architecture() == named


def test_eks_names_the_variables_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EKS_CONTEXT", "team")
    with pytest.raises(ConfigError) as refused:
        settings("eks")
    assert refused.value.cause.startswith("EKS_REGISTRY, EKS_BUCKET")
    assert "EKS_CONTEXT" not in refused.value.cause
    assert "EKS_STEP_ROLE=…" in refused.value.next_step


def test_eks_is_not_mistaken_for_the_cluster_of_the_current_context(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("REGISTRY", "BUCKET", "REGION", "ZENML_URL", "MLFLOW_URL", "ENDPOINT_URL")
    for name in ("EKS_CONTEXT", *(f"EKS_{name}" for name in names), *ROLES):
        monkeypatch.setenv(name, "team")
    monkeypatch.setattr("k8s.platform.settings.kubectl", lambda *_: "minikube\n")
    with pytest.raises(ConfigError, match="kubectl's current context is minikube, EKS_CONTEXT says team"):
        settings("eks")
    monkeypatch.setattr("k8s.platform.settings.kubectl", lambda *_: "team\n")
    assert settings("eks").context == "team"


def test_images_are_pushed_where_the_stack_pulls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CONTEXT", "REGISTRY", "BUCKET", "REGION", "ZENML_URL", "MLFLOW_URL", "ENDPOINT_URL")
    for name in (*(f"EKS_{name}" for name in names), *ROLES):
        monkeypatch.setenv(name, "team")
    monkeypatch.setattr("k8s.platform.settings.kubectl", lambda *_: "team\n")
    stack = read_stack("eks")
    steps, models = stack.component("container_registry"), stack.component("model_deployer")
    assert steps is not None
    assert models is not None
    pulled = f"{steps.configuration['uri']}/{steps.configuration['default_repository']}"
    assert settings("eks").registry == pulled == models.configuration["registry"]


def test_the_platform_and_the_deployers_mean_the_same_namespaces() -> None:
    """None imports the other."""
    assert (manifests.INGRESS, SERVERS) == (
        deployers.kubernetes.manifests.INGRESS,
        deployers.kubernetes.manifests.PLATFORM,
    )
    assert ClusterSettings.model_fields["namespace"].default == MODELS
