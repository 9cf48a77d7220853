"""The pods of a model as both backends' live objects have them, and what requests notice when one goes or comes."""

from __future__ import annotations

import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployers.kubernetes.pods import is_ready
from k8s.platform.settings import MODELS
from tests.cluster.conftest import kubectl
from tests.cluster.endpoints import CLIENTS, DASHED, Trial, objects, read
from tests.served import until

pytestmark = pytest.mark.cluster
APPLIED = ("services", "httproutes", "poddisruptionbudgets", "networkpolicies", "configmaps")
APPLIED_BY = {"kubernetes": ("deployments", "horizontalpodautoscalers"), "seldon": ("seldondeployments",)}


def test_pods_are_contained(trial: Trial) -> None:
    assert len(trial.pods()) >= 2
    for pod in trial.pods():
        spec = pod["spec"]
        assert spec["serviceAccountName"] == "tabular-serving"
        assert not spec["automountServiceAccountToken"]
        assert not spec["enableServiceLinks"]
        (container,) = spec["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert "memory" in container["resources"]["limits"]
        assert {volume["name"] for volume in spec["volumes"]} <= {"tmp", "keys", "seldon-podinfo"}
    assert read("networkpolicy", DASHED)["spec"]["podSelector"]["matchLabels"] == {"tabular-zenml/endpoint": DASHED}


def test_live_pods_are_probed_drained_and_spread(trial: Trial) -> None:
    """Seldon's operator writes pods anew from what it is given, and has defaults of its own for each of these."""
    assert len(trial.pods()) >= 2
    for pod in trial.pods():
        (container,) = pod["spec"]["containers"]
        asked = [container[probe]["httpGet"] for probe in ("readinessProbe", "livenessProbe")]
        assert [(each["path"], each["port"]) for each in asked] == [("/health/ready", "http"), ("/health/live", "http")]
        assert container["readinessProbe"].items() >= {"periodSeconds": 1, "failureThreshold": 2}.items()
        assert [port["containerPort"] for port in container["ports"] if port["name"] == "http"] == [8000]
        assert container["lifecycle"] == {"preStop": {"exec": {"command": ["sleep", "5"]}}}
        assert pod["spec"]["terminationGracePeriodSeconds"] == 30
        spread = pod["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        siblings = {"tabular-zenml/workload": pod["metadata"]["labels"]["tabular-zenml/workload"]}
        assert [each["labelSelector"]["matchLabels"] for each in spread] == [siblings, siblings]


def test_what_we_apply_names_us_as_who_manages_it(trial: Trial) -> None:
    for kind in (*APPLIED, *APPLIED_BY[trial.backend]):
        fields = [each for of in objects(kind) for each in of["metadata"]["managedFields"]]
        assert ("tabular-zenml", "Apply") in {(each["manager"], each["operation"]) for each in fields}, kind


def test_a_pod_that_is_evicted_takes_no_request_with_it_and_the_budget_holds(trial: Trial) -> None:
    names = [pod["metadata"]["name"] for pod in trial.pods()]
    until(lambda: [each["status"].get("disruptionsAllowed") for each in objects("poddisruptionbudgets")] == [1])
    with trial.load() as found:
        with ThreadPoolExecutor() as at_once:
            said = list(at_once.map(evicted, names))
        until(lambda: sum(map(is_ready, trial.pods())) == 2)
        found.more(200)
    assert sorted("disruption budget" in each for each in said) == [False, True], said
    assert found.failures == found.refused == []


def evicted(pod: str) -> str:
    """What is said to an eviction."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": MODELS}}
    path = f"/api/v1/namespaces/{MODELS}/pods/{pod}/eviction"
    try:
        return kubectl("create", "--raw", path, "--filename", "-", stdin=json.dumps(body))
    except AssertionError as refusal:
        return str(refusal)


def test_more_pods_fail_no_request(trial: Trial) -> None:
    if trial.backend == "seldon":
        pytest.skip("the number of pods of a predictor is fixed")
    (autoscaler,) = objects("horizontalpodautoscalers")
    name = autoscaler["metadata"]["name"]
    busy = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 5}}
    patch = json.dumps({"spec": {"metrics": [{"type": "Resource", "resource": busy}]}})
    with trial.load() as found:
        kubectl("patch", "hpa", name, "--namespace", MODELS, "--type", "merge", "--patch", patch)
        until(lambda: sum(map(is_ready, trial.pods())) > 2, seconds=240)
        found.more(400)
    assert found.failures == found.refused == []
    trial.replace("v1")  # the deployer leaves as many as the autoscaler made
    assert read("deployment", name)["spec"]["replicas"] > 2


def test_a_killed_worker_takes_only_what_was_in_flight(trial: Trial) -> None:
    """As for want of memory; the socket is its server's, and the next worker takes what waits there."""
    pod = trial.pods()[0]
    (before,) = pod["status"]["containerStatuses"]
    server = first_process(pod)
    (worker,) = server.children()
    with trial.load() as found:
        worker.kill()
        until(lambda: server.children() not in ([], [worker]))
        found.more(400)
    assert container(pod) == before  # it was not begun anew
    assert len(found.failures) + len(found.refused) <= 2 * CLIENTS


def test_a_killed_server_takes_only_what_was_in_flight(trial: Trial) -> None:
    """The whole container goes with its first process, and the gateway draws it until the kubelet has noticed."""
    pod = trial.pods()[0]
    (before,) = pod["status"]["containerStatuses"]
    server = first_process(pod)
    with trial.load() as found:
        server.kill()
        until(lambda: container(pod)["restartCount"] > before["restartCount"])
        # There may be more than two: the autoscaler takes minutes to let go of what it has made.
        until(lambda: sum(map(is_ready, trial.pods())) >= 2)
        found.more(200)
    killed = container(pod)["lastState"]["terminated"]
    assert (killed["containerID"], killed["exitCode"]) == (before["containerID"], 128 + signal.SIGKILL)
    assert len(found.failures) + len(found.refused) <= 2 * CLIENTS


def test_a_pod_that_is_deleted_without_grace_takes_only_what_was_in_flight(trial: Trial) -> None:
    name = trial.pods()[0]["metadata"]["name"]
    with trial.load() as found:
        kubectl("delete", "pod", name, "--namespace", MODELS, "--grace-period", "0", "--force")
        until(lambda: sum(is_ready(pod) for pod in trial.pods() if pod["metadata"]["name"] != name) >= 2)
        found.more(200)
    assert len(found.failures) + len(found.refused) <= 2 * CLIENTS


def first_process(pod: Any) -> psutil.Process:
    """The first process of a pod's container, with which all others end, where it runs on this machine."""
    if pod["status"]["hostIP"] not in {each.address for of in psutil.net_if_addrs().values() for each in of}:
        pytest.skip(f"the pod runs on another machine, {pod['status']['hostIP']}: no process of it can be killed here")
    identity = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):  # it has ended meanwhile
            status = (group.parent / "status").read_text()
            if identity in group.read_text() and re.search(r"^NSpid:.*\t1$", status, re.MULTILINE):
                return psutil.Process(int(group.parent.name))
    raise AssertionError(f"no process of the container {identity} is here")


def container(pod: Any) -> Any:
    """What is known of a pod's only container now."""
    (found,) = read("pod", pod["metadata"]["name"])["status"]["containerStatuses"]
    return found
