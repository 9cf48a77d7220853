"""Waiting for pods, on what a cluster says one look after the other; tests/cluster waits for real ones."""

from __future__ import annotations

from typing import Any

import pytest

from deployers.kubernetes import pods
from project.errors import Refused

OLD, NEW = "registry/serving:old", "registry/serving:new"


def deployment(image: str, *, ready: int) -> dict[str, Any]:
    status = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": ready, "replicas": 1}
    spec = {"replicas": 1, "template": {"spec": {"containers": [{"image": image}]}}}
    return {"metadata": {"name": "pets-v1", "generation": 1}, "spec": spec, "status": status}


def homeless() -> dict[str, Any]:
    said = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: Insufficient memory"}
    return {"metadata": {"name": "pets-v1-a"}, "status": {"conditions": [said]}}


class Looks:
    """Deployments and pods as they are seen, look after look; the last stays."""

    namespace = "tabular"

    def __init__(self, *seen: tuple[list[Any], list[Any]]) -> None:
        self.seen = list(seen)

    def list(self, kind: str, labels: object) -> list[Any]:
        found = self.seen[0][kind == "Pod"]
        if kind == "Deployment" and len(self.seen) > 1:
            self.seen.pop(0)
        return found


def test_pods_of_the_image_before_are_not_those_waited_for() -> None:
    cluster: Any = Looks(*[([deployment(OLD, ready=1)], [])] * 3, ([deployment(NEW, ready=1)], []))
    pods.wait_ready(cluster, "pets-v1", "pets v1", NEW)
    assert len(cluster.seen) == 1


def test_a_pod_without_a_node_has_as_long_as_one_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "HOPELESS", 0.0)
    waits = ([deployment(NEW, ready=0)], [homeless()])
    cluster: Any = Looks(*[([deployment(NEW, ready=0)], [])], *[waits] * 5, ([deployment(NEW, ready=1)], []))
    pods.wait_ready(cluster, "pets-v1", "pets v1", NEW)
    with pytest.raises(Refused, match=r"pets v1: not ready after 0\.3 s: pod pets-v1-a finds no node: 0/1 nodes"):
        pods.wait_ready(Looks(waits), "pets-v1", "pets v1", NEW, seconds=0.3)  # type: ignore[arg-type]
