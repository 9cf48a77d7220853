"""Traffic plans as HTTPRoutes."""

from __future__ import annotations

from typing import Any

import pytest

from deployers.interface import Version
from deployers.kubernetes import Target
from deployers.kubernetes.route import accepted, http_route
from deployers.kubernetes.target import workload
from deployers.traffic import Mode

TARGET = Target(url="http://gateway.example", bundles="s3://bucket/bundles")
V1, V2 = Version("v1", "a" * 64, ""), Version("v2", "b" * 64, "")
NAMES = {workload("heart_disease", V1): "v1", workload("heart_disease", V2): "v2"}


def rules(weights: dict[Version, float], mode: Mode) -> list[Any]:
    made = http_route(TARGET, "heart_disease", weights, mode)["spec"]
    assert made["parentRefs"] == [{"name": "tabular"}]
    for rule in made["rules"]:
        assert rule["matches"][0]["path"] == {"type": "PathPrefix", "value": "/seldon/tabular/heart-disease/"}
        root, again, *_ = rule["filters"]
        assert root["urlRewrite"]["path"]["replacePrefixMatch"] == "/"
        headers = {each["name"]: each["value"] for each in again["requestHeaderModifier"]["set"]}
        assert headers == {"x-envoy-retry-on": "connect-failure", "x-envoy-max-retries": "8"}
    return list(made["rules"])


def drawn(rule: Any) -> dict[str, int]:
    return {NAMES[backend["name"]]: backend["weight"] for backend in rule["backendRefs"]}


def named(rule: Any) -> str | None:
    headers = rule["matches"][0].get("headers")
    return headers[0]["value"] if headers else None


def test_one_version_is_one_rule() -> None:
    (rule,) = rules({V1: 100.0}, Mode.REPLACE)
    assert (named(rule), drawn(rule)) == (None, {"v1": 10000})


@pytest.mark.parametrize(
    ("weights", "mode", "shares"),
    [
        pytest.param({V1: 90.0, V2: 10.0}, Mode.CANARY, {"v1": 9000, "v2": 1000}, id="canary"),
        pytest.param({V1: 99.5, V2: 0.5}, Mode.CANARY, {"v1": 9950, "v2": 50}, id="half a percent"),
        pytest.param({V1: 100.0, V2: 0.0}, Mode.BLUE_GREEN, {"v1": 10000, "v2": 0}, id="blue-green"),
        pytest.param({V1: 100.0, V2: 0.0}, Mode.SHADOW, {"v1": 10000}, id="shadow"),
        pytest.param({V1: 50.0, V2: 50.0}, Mode.AB, {"v1": 5000, "v2": 5000}, id="A/B"),
    ],
)
def test_each_version_is_reached_by_its_name_and_the_rest_is_drawn(
    weights: dict[Version, float], mode: Mode, shares: dict[str, int]
) -> None:
    found = rules(weights, mode)
    assert [named(rule) for rule in found] == ["v1", "v2", None]
    assert [list(drawn(rule)) for rule in found[:2]] == [["v1"], ["v2"]]
    assert drawn(found[2]) == shares


def test_only_a_shadow_gets_copies() -> None:
    for mode in (Mode.BLUE_GREEN, Mode.SHADOW):
        *_, rule = rules({V1: 100.0, V2: 0.0}, mode)
        copies = [each["requestMirror"]["backendRef"]["name"] for each in rule["filters"] if "requestMirror" in each]
        assert [NAMES[copy] for copy in copies] == (["v2"] if mode is Mode.SHADOW else [])


def test_only_an_ab_test_tells_its_clients_which_version_they_have() -> None:
    for mode in (Mode.CANARY, Mode.AB):
        *_, rule = rules({V1: 50.0, V2: 50.0}, mode)
        said = [
            each["responseHeaderModifier"]["set"]
            for backend in rule["backendRefs"]
            for each in backend.get("filters", [])
        ]
        expected = [[{"name": "X-Variant", "value": version}] for version in ("v1", "v2")]
        assert said == (expected if mode is Mode.AB else [])


def condition(kind: str, status: str, generation: int) -> dict[str, Any]:
    return {"type": kind, "status": status, "observedGeneration": generation, "message": f"{kind} is {status}"}


@pytest.mark.parametrize(
    ("parents", "reason"),
    [
        pytest.param([], "no gateway has looked at it", id="nobody"),
        pytest.param(
            [[condition("Accepted", "True", 1)]], "the gateway has not looked at its last change", id="an old state"
        ),
        pytest.param([[condition("Accepted", "False", 2)]], "Accepted is False", id="refused"),
        pytest.param(
            [[condition("Accepted", "True", 2), condition("ResolvedRefs", "False", 2)]],
            "ResolvedRefs is False",
            id="no such Service",
        ),
        pytest.param([[condition("Accepted", "True", 2), condition("ResolvedRefs", "True", 2)]], "", id="followed"),
    ],
)
def test_whether_the_gateway_follows(parents: list[Any], reason: str) -> None:
    status = {"parents": [{"conditions": conditions} for conditions in parents]}
    assert accepted({"metadata": {"generation": 2}, "status": status}) == reason
