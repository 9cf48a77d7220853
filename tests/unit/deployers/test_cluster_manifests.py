"""The objects of an endpoint as data: names, labels, what a cluster asks of pods, Seldon's ports and shares."""

from __future__ import annotations

from typing import Any

import pytest

from deployers.interface import Version
from deployers.kubernetes import Target, manifests
from deployers.kubernetes.target import VERSION, WORKLOAD, called, endpoint_called, labels, short, workload
from deployers.seldon.manifests import seldon_deployment, version_predictor, with_traffic

TARGET = Target(
    url="http://gateway.example/", bundles="s3://bucket/bundles", s3_endpoint="http://10.0.0.1:30707", s3_secret="s3"
)
V1, V2 = Version("v1", "a" * 64, "2026-01-01T00:00:00+00:00"), Version("v2", "b" * 64, "2026-01-01T00:00:00+00:00")


OF = called("heart_disease", V1)


def deployed(target: Target = TARGET) -> dict[str, Any]:
    return manifests.deployment(target, OF, manifests.pulled(target, V1), 2)


def pod_of(manifest: dict[str, Any]) -> Any:
    return manifest["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("version", "name"),
    [
        pytest.param(V1, "heart-disease-v1-", id="as it is"),
        pytest.param(Version("Release 2026.1/β", "a" * 64, ""), "heart-disease-release-2026-", id="what no name takes"),
        pytest.param(Version("β", "a" * 64, ""), "heart-disease-v-", id="nothing that a name takes"),
    ],
)
def test_a_workload_is_named_by_version_and_bundle(version: Version, name: str) -> None:
    found = workload("heart_disease", version)
    assert found.startswith(name)
    assert len(found) == len(name) + 8
    assert found != workload("heart_disease", Version(version.version, "c" * 64, ""))


def test_the_longest_names_fit_into_a_label() -> None:
    longest = workload("a" * 40, Version("v" * 40, "a" * 64, ""))
    assert len(longest) <= 63
    assert len(labels("a" * 40, Version("x" * 100, "a" * 64, ""))[VERSION]) <= 63


def test_a_pod_pulls_its_bundle_and_takes_no_other() -> None:
    (container,) = pod_of(deployed())["containers"]
    assert container["args"][:6] == [
        "--bundle", f"s3://bucket/bundles/{V1.digest}", "--digest", V1.digest, "--version", "v1",
    ]  # fmt: skip
    environment = {each["name"]: each for each in container["env"]}
    assert environment["AWS_ENDPOINT_URL"]["value"] == "http://10.0.0.1:30707"
    assert environment["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]["name"] == "s3"


def test_with_a_role_no_key_is_named() -> None:
    (container,) = pod_of(deployed(Target(url="http://g", bundles="s3://b/x")))["containers"]
    assert container["env"] == []


@pytest.mark.parametrize("of", ["deployment", "predictor"])
def test_pods_keep_the_restricted_standard_without_a_pod_context(of: str) -> None:
    """Seldon's operator drops the pod's own security context."""
    made = deployed()
    pod = (
        pod_of(made)
        if of == "deployment"
        else version_predictor(TARGET, "heart_disease", V1)["componentSpecs"][0]["spec"]
    )
    assert "securityContext" not in pod
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == "tabular-serving"
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert {"requests", "limits"} == set(container["resources"])


def test_no_pod_leaves_before_another_has_come() -> None:
    made = deployed()
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    pod = pod_of(made)
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "5"]
    assert pod["terminationGracePeriodSeconds"] > 5 + 15


def test_services_and_selectors_meet_the_pods() -> None:
    template = deployed()["spec"]["template"]["metadata"]["labels"]
    for selector in (
        manifests.service(OF, 8000)["spec"]["selector"],
        manifests.stable_service("heart_disease", V1)["spec"]["selector"],
        manifests.disruption_budget(OF)["spec"]["selector"]["matchLabels"],
        manifests.network_policy(TARGET, endpoint_called("heart_disease"))["spec"]["podSelector"]["matchLabels"],
        deployed()["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= template.items()
    assert manifests.stable_service("heart_disease", V2)["spec"]["selector"][WORKLOAD] != template[WORKLOAD]


def test_a_gateway_may_try_again_as_often_as_requests_come_on_both_backends() -> None:
    predictor, service = version_predictor(TARGET, "heart_disease", V1), manifests.service(OF, 8000)["metadata"]
    assert {"projectcontour.io/max-retries": "1024"}.items() <= predictor["annotations"].items()
    assert service["annotations"] == {"projectcontour.io/max-retries": "1024"}


def test_the_network_policy_lets_pods_reach_their_store() -> None:
    egress = manifests.network_policy(TARGET, endpoint_called("heart_disease"))["spec"]["egress"]
    assert [port["port"] for rule in egress for port in rule.get("ports", [])] == [53, 53, 443, 30707]


@pytest.mark.parametrize(
    ("endpoint", "port"), [(None, 443), ("https://s3.example", 443), ("http://s3.example", 80), ("http://h:9000", 9000)]
)
def test_the_store_is_reached_at_its_address_s_port(endpoint: str | None, port: int) -> None:
    policy = manifests.network_policy(
        TARGET.model_copy(update={"s3_endpoint": endpoint}), endpoint_called("heart_disease")
    )
    web = [each["port"] for each in policy["spec"]["egress"][1]["ports"]]
    assert web == sorted({443, port})


def test_a_predictor_is_called_as_routes_name_its_service() -> None:
    made = version_predictor(TARGET, "heart_disease", V1)
    whole = seldon_deployment("heart_disease", [made])
    assert f"{whole['metadata']['name']}-{made['name']}" == workload("heart_disease", V1)
    assert made["annotations"]["seldon.io/no-engine"] == "true"
    assert made["graph"]["name"] == made["componentSpecs"][0]["spec"]["containers"][0]["name"]


def test_ports_have_the_names_that_seldon_would_else_number_by_place() -> None:
    ports = version_predictor(TARGET, "heart_disease", V1)["componentSpecs"][0]["spec"]["containers"][0]["ports"]
    assert {port["name"]: port["containerPort"] for port in ports} == {"http": 8000, "grpc": 8001, "metrics": 8002}


@pytest.mark.parametrize(
    ("exact", "whole"), [([100, 0], [100, 0]), ([87.5, 12.5], [88, 12]), ([33.3, 33.3, 33.4], [34, 33, 33])]
)
def test_predictors_share_a_whole(exact: list[float], whole: list[int]) -> None:
    assert [each["traffic"] for each in with_traffic([{"name": short(V1)} for _ in exact], exact)] == whole
