"""A change whose API server fails it in the middle; tests/cluster changes real endpoints, whose API server does not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest

from deployers import client, history
from deployers.client import Address
from deployers.interface import Endpoint
from deployers.kubernetes import credentials, endpoint_record, handover, pods, switch
from deployers.kubernetes.cluster import Manifest
from deployers.kubernetes.handover import Handover
from deployers.kubernetes.route import VARIANT
from deployers.kubernetes.target import VERSION, Target
from deployers.kubernetes.workloads import Deployments
from deployers.traffic import TrafficPlan
from project.errors import Refused, Unreachable
from tabular.bundle import Bundle, read_bundle
from tests.served import REFERENCE

TARGET = Target(url="http://h", bundles="s3://b", image="i")
DIGESTS = {"v1": "1" * 64, "v2": "2" * 64, "v3": "3" * 64}


class Api:
    """Keeps objects, follows every route at once, and fails as it is told."""

    namespace = "tabular"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.routes: list[dict[str, int]] = []
        """Weights by Service, of every route there was."""
        self.lost = ""
        """Kind of which the next write is done and its answer lost."""
        self.gone_after = 0
        """Number of routes after which nothing is answered any more."""

    def get(self, kind: str, name: str) -> Manifest | None:
        self._answers()
        return copy.deepcopy(self.objects.get((kind, name)))

    def list(self, kind: str, labels: Mapping[str, str]) -> list[Manifest]:
        self._answers()
        found = [each for (of, _), each in self.objects.items() if of == kind]
        return [each for each in found if labels.items() <= each["metadata"]["labels"].items()]

    def apply(self, manifest: Manifest) -> Manifest:
        self._answers()
        kind, made = manifest["kind"], copy.deepcopy(manifest)
        self.objects[kind, made["metadata"]["name"]] = made
        if kind == "HTTPRoute":
            made["metadata"]["generation"] = len(self.routes)
            accepted = {"type": "Accepted", "status": "True", "observedGeneration": len(self.routes)}
            made["status"] = {"parents": [{"conditions": [accepted]}]}
            self.routes.append({each["name"]: each["weight"] for each in made["spec"]["rules"][-1]["backendRefs"]})
        if kind == self.lost:
            self.lost = ""
            raise Unreachable("the answer was lost", "")
        return copy.deepcopy(made)

    def delete(self, kind: str, name: str) -> bool:
        self._answers()
        return self.objects.pop((kind, name), None) is not None

    def _answers(self) -> None:
        if self.gone_after and len(self.routes) >= self.gone_after:
            raise Unreachable("the API server is gone", "")

    def version_at(self, address: Address) -> str:
        """Who answers."""
        if VARIANT in address.headers:
            return address.headers[VARIANT]
        service = max(self.routes[-1], key=self.routes[-1].__getitem__)
        return str(self.objects["Service", service]["metadata"]["labels"][VERSION])


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where v1 serves."""
    made = Api()
    monkeypatch.setattr(credentials, "address", lambda *_: Address("h", 80))
    monkeypatch.setattr(client, "health", lambda address: (True, {"version": made.version_at(address)}))
    monkeypatch.setattr(client, "smoke", lambda *_: None)
    monkeypatch.setattr(pods, "wait_ready", lambda *_: None)
    for module in (switch, handover):
        monkeypatch.setattr(module, "SETTLED", 0.0)
    deploy(made, "v1")
    made.routes.clear()
    return made


def deploy(api: Any, version: str) -> Endpoint:
    """Let a version serve alone."""
    record = endpoint_record.read(api, "pets")
    change = history.deploying(
        record.endpoint if record else None, version, DIGESTS[version], TrafficPlan.replace(version)
    )
    known: dict[str, Bundle] = {DIGESTS[version]: read_bundle(REFERENCE)}
    return Handover(TARGET, api, Deployments(api, TARGET), "tests", "pets", record, lambda: None).to(change, known)


def state(api: Any) -> tuple[str, dict[str, int], list[str]]:
    """The version of the record, the versions of the route with weights, and those that have pods."""
    record = endpoint_record.read(api, "pets")
    deployments = {
        name: each["metadata"]["labels"][VERSION] for (kind, name), each in api.objects.items() if kind == "Deployment"
    }
    route = {deployments[service]: weight for service, weight in api.routes[-1].items()}
    return record.endpoint.current.version if record else "", route, sorted(deployments.values())


def failing(error: Exception) -> Callable[..., None]:
    """What fails so whatever it is asked."""

    def fail(*_: object) -> None:
        raise error

    return fail


def nothing_left_with_weight(api: Any) -> bool:
    """Whether no route left out what had weight in the one before."""
    return all({name for name, weight in one.items() if weight} <= two.keys() for one, two in pairwise(api.routes))


def test_a_change_whose_last_answer_is_lost_is_taken_back_in_the_record_too(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.lost = "ConfigMap"
    with pytest.raises(Unreachable, match=r"^the answer was lost\. Next: $"):
        deploy(api, "v2")
    assert state(api) == ("v1", {"v1": 10000}, ["v1"])
    assert nothing_left_with_weight(api)

    monkeypatch.setattr(pods, "wait_ready", failing(Refused("its image can not be pulled", "")))
    with pytest.raises(Refused, match="can not be pulled"):
        deploy(api, "v2")
    assert state(api) == ("v1", {"v1": 10000}, ["v1"])


def test_a_first_change_whose_last_answer_is_lost_leaves_nothing(api: Any) -> None:
    api.objects.clear()
    api.lost = "ConfigMap"
    with pytest.raises(Unreachable, match="lost"):
        deploy(api, "v1")
    assert api.objects == {}


def test_a_change_that_can_not_be_taken_back_says_so_and_the_next_one_repairs_it(api: Any) -> None:
    api.gone_after = 2  # v2 beside v1; all to v2
    with pytest.raises(Unreachable, match="gone; and what served before could not be put back: the API") as halfway:
        deploy(api, "v2")
    assert halfway.value.next_step.endswith("python run.py deploy")
    api.gone_after = 0
    assert state(api) == ("v1", {"v1": 0, "v2": 10000}, ["v1", "v2"])
    deploy(api, "v3")
    assert state(api) == ("v3", {"v3": 10000}, ["v3"])
    assert nothing_left_with_weight(api)


def test_what_can_not_be_cleared_away_after_a_way_back_is_no_failure_of_it(
    api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "smoke", failing(Refused("the bundle says otherwise", "")))
    monkeypatch.setattr(Deployments, "keep", failing(Unreachable("pods are still there", "")))
    with pytest.raises(Refused, match="the bundle says otherwise"):
        deploy(api, "v2")
    assert state(api) == ("v1", {"v1": 10000}, ["v1", "v2"])
    assert "pets is as it was, but what was made for the change is still there: pods are still there" in caplog.text


def test_one_that_fails_before_the_route_changed_is_told_as_it_failed(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        api.gone_after, api.routes[:] = 1, [{}]
        raise Unreachable("the API server is gone", "kubectl get --raw /readyz")

    monkeypatch.setattr(pods, "wait_ready", away)
    with pytest.raises(Unreachable, match=r"^the API server is gone\. Next: kubectl"):
        deploy(api, "v2")


def test_what_the_record_names_is_gone_and_an_earlier_version_still_answers(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = endpoint_record.read(api, "pets")
    assert record is not None
    change = history.deploying(record.endpoint, "v2", DIGESTS["v2"], TrafficPlan.replace("v2"))
    told = Endpoint("pets", "", change.current, tuple(change.versions[1:]), "kubernetes")
    endpoint_record.write(api, endpoint_record.ClusterRecord(told))
    monkeypatch.setattr(pods, "wait_ready", failing(Refused("it does not start", "")))
    with pytest.raises(Refused, match="does not start"):
        deploy(api, "v3")
    assert state(api) == ("v2", {"v1": 10000}, ["v1"])


def test_a_version_that_answers_otherwise_than_its_bundle_says_gets_no_request(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "smoke", failing(Refused("probabilities [0.1, 0.9], the bundle says [0.9, 0.1]", "")))
    with pytest.raises(Refused, match="the bundle says"):
        deploy(api, "v2")
    assert state(api) == ("v1", {"v1": 10000}, ["v1"])
    assert all(sum(weight > 0 for weight in route.values()) == 1 for route in api.routes)
    assert len({max(route, key=route.__getitem__) for route in api.routes}) == 1


def test_a_proxy_that_has_not_read_the_route_yet_is_asked_again(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [client.OtherVersion("version v1 answered", ""), client.OtherVersion("version v1 answered", ""), None]

    def lagging(*_: object) -> None:
        if error := answers.pop(0):
            raise error

    monkeypatch.setattr(client, "smoke", lagging)
    deploy(api, "v2")
    assert (state(api)[0], answers) == ("v2", [])
    monkeypatch.setattr(switch, "FOLLOWING", 0.3)
    answers[:] = [client.OtherVersion("version v2 answered", "")] * 100
    with pytest.raises(Refused, match="version v2 answered"):
        deploy(api, "v3")
