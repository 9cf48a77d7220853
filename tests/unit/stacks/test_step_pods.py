"""How the pod of a step ended, from what a Kubernetes 1.33 says of it; tests/cluster lets one run out of memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from project.images import BUILDS
from stacks.step_pods import AGAIN, end_of, last_error, never_began, waits_in_vain

SINCE = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
POD = "3f2a9c1e-package-model-training-x7k2p"


def pod(status: dict[str, Any], created: str = "2026-03-01T12:01:00Z") -> dict[str, Any]:
    containers = [{"name": "main", "resources": {"limits": {"memory": "2Gi"}, "requests": {"memory": "1Gi"}}}]
    return {
        "metadata": {"name": POD, "creationTimestamp": created},
        "spec": {"containers": containers},
        "status": {"qosClass": "Burstable", **status},
    }


def terminated(code: int, reason: str) -> dict[str, Any]:
    ended = {
        "exitCode": code,
        "reason": reason,
        "startedAt": "2026-03-01T12:01:01Z",
        "finishedAt": "2026-03-01T12:01:09Z",
        "containerID": "containerd://5d0c",
    }
    main = {"name": "main", "ready": False, "restartCount": 0, "state": {"terminated": ended}, "lastState": {}}
    return {"phase": "Failed", "containerStatuses": [main]}


OOM = terminated(137, "OOMKilled")
EVICTED = {
    "phase": "Failed",
    "reason": "Evicted",
    "message": "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. ",
    "conditions": [
        {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": "The node was low"}
    ],
}
DRAINED = {
    **terminated(143, "Error"),
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "PodFailed"},
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        },
    ],
}
LATE = {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the ..."}


@pytest.mark.parametrize(
    ("status", "cause", "next_step"),
    [
        pytest.param(
            OOM,
            "its pod was killed for want of memory: it may have 2Gi",
            "raise pod_settings.resources.limits.memory in stacks/minikube.yaml, then python run.py again",
            id="out of memory",
        ),
        pytest.param(
            EVICTED,
            "its pod was evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi",
            AGAIN,
            id="evicted by its node",
        ),
        pytest.param(
            DRAINED,
            "its pod was evicted, as when a node is emptied: Eviction API: evicting",
            AGAIN,
            id="evicted by somebody",
        ),
        pytest.param(
            LATE,
            "its pod took longer than it may",
            "raise active_deadline_seconds in stacks/minikube.yaml, then python run.py again",
            id="too late",
        ),
    ],
)
def test_the_end_of_a_pod(status: dict[str, Any], cause: str, next_step: str) -> None:
    found = end_of([pod(status)], "minikube")
    assert found is not None
    assert (found.cause, found.next_step) == (cause, next_step)


def test_a_pod_that_ended_by_itself_has_nothing_to_tell() -> None:
    assert end_of([pod(terminated(1, "Error"))], "minikube") is None
    assert end_of([], "minikube") is None


def test_of_several_tries_the_last_counts() -> None:
    first, second = pod(EVICTED, "2026-03-01T12:01:00Z"), pod(OOM, "2026-03-01T12:02:00Z")
    found = end_of([first, second], "minikube")
    assert found is not None
    assert found.cause.startswith("its pod was killed for want of memory")


def event(reason: str, message: str, at: str = "2026-03-01T12:01:05Z", name: str = POD) -> dict[str, Any]:
    return {
        "metadata": {"name": f"{name}.18a", "creationTimestamp": at},
        "involvedObject": {"kind": "Pod", "name": name},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


PULL = 'Failed to pull image "localhost:5000/tabular/steps:1": connection refused'


def test_an_image_that_can_not_be_pulled_is_named() -> None:
    found = never_began([event("Failed", PULL), event("Failed", "Error: ErrImagePull")], "package_model", SINCE)
    assert found is not None
    assert found.cause == f"its pod never began: {PULL}"
    assert found.next_step == BUILDS


def test_a_node_without_room_is_named() -> None:
    said = "0/1 nodes are available: 1 Insufficient memory."
    found = never_began([event("FailedScheduling", said)], "package_model", SINCE)
    assert found is not None
    assert found.cause == "its pod never began: 0/1 nodes are available: 1 Insufficient memory"


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(event("Failed", PULL, at="2026-03-01T11:59:59Z"), id="of a run before"),
        pytest.param(event("Failed", PULL, name="3f2a9c1e-promote-training-x7k2p"), id="of another step"),
        pytest.param(event("Unhealthy", "Readiness probe failed"), id="of no account"),
    ],
)
def test_other_events_are_no_reason(foreign: dict[str, Any]) -> None:
    assert never_began([foreign], "package_model", SINCE) is None


def waiting(reason: str, message: str | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    main = {"name": "main", "ready": False, "restartCount": 0, "state": state, "lastState": {}}
    return pod({"phase": "Pending", "containerStatuses": [main]})


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        pytest.param(
            waiting("ImagePullBackOff", 'Back-off pulling image "localhost:5000/tabular/steps:1"'),
            'the image of the steps can not be pulled: Back-off pulling image "localhost:5000/tabular/steps:1"',
            id="with a message",
        ),
        pytest.param(waiting("ErrImagePull"), "the image of the steps can not be pulled: ErrImagePull", id="without"),
        pytest.param(
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            'its pod can not begin: secret "x" not found',
            id="a Secret that is not there",
        ),
    ],
)
def test_a_pod_that_waits_in_vain(found: dict[str, Any], cause: str) -> None:
    ended = waits_in_vain(found)
    assert ended is not None
    assert ended.cause == cause


def test_a_pod_that_is_on_its_way_is_left_alone() -> None:
    assert waits_in_vain(waiting("ContainerCreating")) is None
    assert waits_in_vain(pod({"phase": "Pending"})) is None


LOG = """\
│   364 │   │   │   raise EndpointConnectionError(endpoint_url=request.url, er │
╰──────────────────────────────────────────────────────────────────────────────╯
EndpointConnectionError: Could not connect to the endpoint URL:
"http://10.250.0.1:30707/tabular/zenml/code_uploads/be8924c3.tar.gz"
"""


def test_a_log_that_ends_with_an_error_has_the_reason() -> None:
    assert last_error(LOG) == (
        "EndpointConnectionError: Could not connect to the endpoint URL: "
        '"http://10.250.0.1:30707/tabular/zenml/code_uploads/be8924c3.tar.gz"'
    )
    assert not last_error("Step second has started.\n")
