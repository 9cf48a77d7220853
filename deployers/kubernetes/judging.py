"""Ask the pods of an endpoint what they counted, and judge those that share its traffic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from deployers.interface import Version
from deployers.kubernetes import pods
from deployers.kubernetes.analysis import Seen, seen, verdict
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.target import PORT, WORKLOAD, workload
from project.errors import ProjectError


def counted(cluster: Cluster, name: str, version: Version) -> Seen:
    """What the pods of a version have counted since they started."""
    return seen(_expositions(cluster, workload(name, version)))


def judged(cluster: Cluster, record: ClusterRecord) -> tuple[dict[str, str], dict[str, int]]:
    """The challengers that broke the plan's guard, and how; and what each was asked."""
    endpoint = record.endpoint
    guard = endpoint.plan.guard if endpoint.plan else None
    if guard is None:
        return {}, {}
    champion = counted(cluster, endpoint.name, endpoint.current).since(record.baseline)
    breaches, requests = {}, {}
    for version in endpoint.beside:
        found = counted(cluster, endpoint.name, version)
        requests[version.version] = found.requests
        if reason := _absent(cluster, workload(endpoint.name, version)) or verdict(found, champion, guard):
            breaches[version.version] = reason
    return breaches, requests


def _absent(cluster: Cluster, of: str) -> str:
    """Why none of a version's pods takes requests; nothing while one does."""
    if any(map(pods.is_ready, cluster.list("Pod", {WORKLOAD: of}))):
        return ""
    said = next((reason for _, reason in pods.reasons(cluster, of)), "there is none")
    return f"none of its pods is ready: {said}"


def _expositions(cluster: Cluster, of: str) -> Iterator[str]:
    for pod in cluster.list("Pod", {WORKLOAD: of}):
        if pods.is_ready(pod):
            with suppress(ProjectError):  # it may leave between the two calls
                yield cluster.text(f"{pod['metadata']['name']}:{PORT}", "proxy/metrics")
