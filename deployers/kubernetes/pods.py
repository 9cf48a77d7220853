"""Wait for the pods of a version, and say in their own words why they do not come."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from deployers.kubernetes.cluster import Cluster, Manifest
from deployers.kubernetes.target import WORKLOAD
from project.errors import ProjectError, Refused, Unreachable
from project.images import BUILDS, UNPULLED

POLL = 0.1
STARTING = 120.0
"""Seconds that the pods of a version have to become ready."""
HOPELESS, LINGERING = 5.0, 30.0
"""Seconds after which a reason that may pass is taken for one that stays; one of an earlier try has longer to go."""
NOT_YET, NO_NODE = "is not ready yet", "finds no node"
"""What may take as long as all of it: a cluster that grows makes a node first."""
UNMADE = 30.0
"""Seconds in which an operator has made the Deployment of a predictor, if it runs."""
UNREACHED = 4
"""Exit code of a server that its store did not answer; the next start may have more luck."""
ATTEMPTS = 3


def wait_ready(cluster: Cluster, workload: str, what: str, image: str, seconds: float = STARTING) -> None:
    """Return once every pod of a workload is ready, with this image, and none of an older template is left to replace.

    Raises:
        Refused: They do not become ready; the reason is the pod's own.
        Unreachable: Whoever should make them does not.
    """
    began, bad_since, before = time.monotonic(), 0.0, None
    while True:
        found = [each for each in cluster.list("Deployment", {WORKLOAD: workload}) if not _leaves(each)]
        if found and all(_complete(each, image) for each in found):
            return
        now, said = time.monotonic(), list(reasons(cluster, workload, found))
        before = {reason for _, reason in said} if before is None else before
        reason = said[-1][1] if said else ""
        bad = reason and not any(why in reason for why in (NOT_YET, NO_NODE))
        bad_since = (bad_since or now) if bad else 0.0
        patience = LINGERING if reason in before else HOPELESS
        hopeless = [each for final, each in said if final and each not in before]
        if hopeless or (bad_since and now - bad_since > patience):
            why = hopeless[0] if hopeless else reason
            raise Refused(f"{what}: {why}", _next(cluster, workload, why))
        if not found and now > began + UNMADE:
            cause = f"{what}: nobody made its Deployment in {UNMADE:g} s; does the operator run?"
            raise Unreachable(cause, "kubectl get pods --all-namespaces --selector app=seldon")
        if now > began + seconds:
            cause = f"{what}: not ready after {seconds:g} s: {reason or 'its pods say nothing'}"
            raise Refused(cause, _next(cluster, workload, reason))
        time.sleep(POLL)


def reasons(cluster: Cluster, workload: str, deployments: list[Manifest] | None = None) -> Iterator[tuple[bool, str]]:
    """Why pods of a workload are not ready, each with whether waiting is of no use."""
    for deployment in cluster.list("Deployment", {WORKLOAD: workload}) if deployments is None else deployments:
        for condition in deployment.get("status", {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                yield False, condition["message"]
    for pod in cluster.list("Pod", {WORKLOAD: workload}):
        if _leaves(pod) or is_ready(pod):
            continue
        name, status = pod["metadata"]["name"], pod.get("status", {})
        for condition in status.get("conditions", []):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                yield False, f"pod {name} {NO_NODE}: {condition.get('message', condition.get('reason'))}"
        for container in status.get("containerStatuses", []):
            yield _reason(cluster, name, container)


def at_work(cluster: Cluster, *workloads: str) -> tuple[str, ...]:
    """Names of the pods of workloads that take requests, workload by workload."""
    names: list[str] = []
    for each in workloads:
        found = (pod for pod in cluster.list("Pod", {WORKLOAD: each}) if is_ready(pod))
        names += sorted(pod["metadata"]["name"] for pod in found)
    return tuple(names)


def is_ready(pod: Manifest) -> bool:
    """Whether a pod takes requests; one that leaves says that it is ready until it has gone, with its address."""
    if _leaves(pod):
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _reason(cluster: Cluster, pod: str, container: Mapping[str, Manifest]) -> tuple[bool, str]:
    state, restarts = container.get("state", {}), int(str(container.get("restartCount", 0)))
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if ended:
        code, why = ended.get("exitCode"), ended.get("reason", "")
        final = code != UNREACHED or restarts >= ATTEMPTS
        if why == "OOMKilled":
            return final, f"pod {pod} was killed for want of memory (OOMKilled)"
        return final, f"pod {pod} ended with {code}: {_last_line(cluster, pod, previous='terminated' not in state)}"
    waiting = state.get("waiting", {})
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        return False, f"pod {pod}: {waiting.get('reason')}: {waiting.get('message', 'no more is said')}"
    return False, f"pod {pod} {NOT_YET}"


def _last_line(cluster: Cluster, pod: str, previous: bool) -> str:
    with suppress(ProjectError):  # the log went with its container
        lines = cluster.text(pod, "log", tailLines="5", previous=str(previous).lower()).strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else "it said nothing"
    return "its log is gone"


def _complete(deployment: Manifest, image: str) -> bool:
    if image not in [each["image"] for each in deployment["spec"]["template"]["spec"]["containers"]]:
        return False  # the operator has yet to hand on what its predictor now says
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = [status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas")]
    return bool(seen and counts == [wanted] * 3)


def _leaves(of: Manifest) -> bool:
    """Whether it is being deleted: a Deployment of an earlier try may take as long as its pods."""
    return "deletionTimestamp" in of["metadata"]


def _next(cluster: Cluster, workload: str, reason: str) -> str:
    if any(f" {why}: " in reason for why in UNPULLED):
        return BUILDS
    return f"kubectl --namespace {cluster.namespace} describe pods --selector {WORKLOAD}={workload}"
