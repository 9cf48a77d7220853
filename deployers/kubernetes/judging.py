"""Ask the pods of an endpoint what they counted, and judge those that share its traffic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from deployers import client
from deployers.client import Address
from deployers.history import Change
from deployers.interface import Version
from deployers.kubernetes import pods
from deployers.kubernetes.analysis import Seen, seen, verdict
from deployers.kubernetes.cluster import Cluster, Manifest, Missing
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.shares import plain
from deployers.kubernetes.target import PORT, WORKLOAD, workload
from project.errors import ProjectError


def counted(cluster: Cluster, name: str, version: Version) -> Seen:
    """What the pods of a version have counted since they started.

    Raises:
        ProjectError: One that takes requests does not say.
    """
    return seen(_expositions(cluster, workload(name, version)))


def baseline(cluster: Cluster, name: str, record: ClusterRecord | None, change: Change) -> Mapping[str, int]:
    """What the champion had predicted when the challengers came: through all the steps of their rollout the same.

    Args:
        cluster: Where it is.
        name: The endpoint's.
        record: As it was.
        change: What now answers.
    """
    if change.plan is None:
        return {}
    if record is not None and list(map(plain, record.endpoint.beside)) == list(map(plain, change.beside)):
        return record.baseline
    with suppress(ProjectError):  # then all it ever predicted is what it predicts
        return counted(cluster, name, change.current).labels
    return {}


def judged(cluster: Cluster, record: ClusterRecord) -> tuple[dict[str, str], dict[str, int], str]:
    """The challengers that broke the plan's guard, and how; what each was asked; and why that can not be told."""
    endpoint = record.endpoint
    guard = endpoint.plan.guard if endpoint.plan else None
    breaches: dict[str, str] = {}
    requests: dict[str, int] = {}
    if guard is None:
        return breaches, requests, ""
    for version in endpoint.beside:
        if reason := _absent(cluster, workload(endpoint.name, version)):
            breaches[version.version] = reason
            continue
        try:
            found = counted(cluster, endpoint.name, version)
            champion = counted(cluster, endpoint.name, endpoint.current).since(record.baseline)
        except ProjectError as error:
            return breaches, requests, error.cause
        requests[version.version] = found.requests
        if reason := verdict(found, champion, guard):
            breaches[version.version] = reason
    return breaches, requests, ""


def _absent(cluster: Cluster, of: str) -> str:
    """Why none of a version's pods takes requests; nothing while one does."""
    if any(map(pods.is_ready, cluster.list("Pod", {WORKLOAD: of}))):
        return ""
    said = next((reason for _, reason in pods.reasons(cluster, of)), "there is none")
    return f"none of its pods is ready: {said}"


def _expositions(cluster: Cluster, of: str) -> Iterator[str]:
    for pod in cluster.list("Pod", {WORKLOAD: of}):
        if pods.is_ready(pod):
            with suppress(Missing):  # it may leave between the two calls
                yield _exposition(cluster, pod)


def _exposition(cluster: Cluster, pod: Manifest) -> str:
    """From a pod beside it without the API server, which a NetworkPolicy may keep from asking pods."""
    if cluster.inside:
        return client.text(Address(pod["status"]["podIP"], PORT), "/metrics")
    return cluster.text(f"{pod['metadata']['name']}:{PORT}", "proxy/metrics")
