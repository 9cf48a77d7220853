"""Pods of a run under restricted Pod Security, and a pod that has no business with the servers."""

from __future__ import annotations

import json
import sys

import pytest

from k8s.platform.settings import MODELS, SERVERS, Settings
from project.images import image_name
from tests.cluster.conftest import kubectl, said_by

pytestmark = pytest.mark.cluster
CONTAINED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
STRANGER = "tests-stranger"


def test_two_steps_run_as_pods(platform: Settings, stack: dict[str, str]) -> None:
    namespace = json.loads(kubectl("get", "namespace", MODELS, "--output", "json"))
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    image = image_name("steps", platform.registry)
    done = said_by(sys.executable, "-m", "tests.cluster.two_steps", image, environment=stack)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "first=completed second=completed completed 21"
    said = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert [line.split()[:2] for line in said if "canary" not in line] == [["✓", "first"], ["✓", "second"]]
    assert said[1] == "    two_steps canary: v1 90 %, v2 10 %"  # as its pod wrote it, before it ended


def test_a_pod_of_another_namespace_gets_in_nowhere(platform: Settings) -> None:
    """Where the cluster's network plugin enforces policies; one that does not takes them and does nothing."""
    image = image_name("zenml", platform.registry)
    address = f"mlflow.{SERVERS}"
    knock = f"import socket; socket.create_connection(('{address}', 5000), timeout=5).close(); print('in')"
    container = {"name": "knock", "image": image, "command": ["python", "-c", knock], "securityContext": CONTAINED}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": STRANGER, "namespace": "default"},
        "spec": {"containers": [container], "restartPolicy": "Never", "automountServiceAccountToken": False},
    }
    kubectl("delete", "pod", STRANGER, "--namespace", "default", "--ignore-not-found")
    kubectl("apply", "--filename", "-", stdin=json.dumps(pod))
    try:
        ended = ("--for", "jsonpath={.status.containerStatuses[0].state.terminated}", "--timeout", "90s")
        kubectl("wait", "pod", STRANGER, "--namespace", "default", *ended)
        said = kubectl("logs", STRANGER, "--namespace", "default")
    finally:
        kubectl("delete", "pod", STRANGER, "--namespace", "default", "--ignore-not-found")
    if said.strip().endswith("in"):
        pytest.skip("the network plugin of this cluster does not enforce NetworkPolicy")
    assert "timed out" in said
