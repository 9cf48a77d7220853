"""The pods of an endpoint's versions as Deployments: added beside those there, and removed when no route names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from deployers.interface import Version
from deployers.kubernetes import manifests
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.target import ENDPOINT, PORT, WORKLOAD, Target, called, dashed, workload

PER_VERSION = ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Deployment")
"""Kinds of which each version has an object of its own, in the order in which they go."""


class Workloads(Protocol):
    """How a backend makes pods; the Service of a version is called as `target.workload` says."""

    @property
    def backend(self) -> str:
        """Name of the backend, for the record."""
        ...

    def add(self, name: str, weights: Mapping[Version, float]) -> None:
        """Have pods of these versions; those of others stay as they are.

        Args:
            name: The endpoint's.
            weights: Share of the answers that each version gets, in percent.
        """
        ...

    def keep(self, name: str, weights: Mapping[Version, float]) -> None:
        """Remove the pods of all versions but these."""
        ...


@dataclass(frozen=True, slots=True)
class Deployments:
    """Plain Deployments, each with a Service, a disruption budget and, where wanted, an autoscaler."""

    cluster: Cluster
    target: Target
    backend: str = "kubernetes"

    def add(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.add`."""
        for version in weights:
            of, source = called(name, version), manifests.pulled(self.target, version)
            self.cluster.apply(manifests.deployment(self.target, of, source, self._replicas(of.name)))
            self.cluster.apply(manifests.service(of, PORT))
            self.cluster.apply(manifests.disruption_budget(of))
            if self.target.most_replicas > self.target.replicas:
                self.cluster.apply(manifests.autoscaler(self.target, of))

    def keep(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.keep`."""
        prune(self.cluster, name, PER_VERSION, {workload(name, version) for version in weights})

    def _replicas(self, workload: str) -> int:
        """As many as the autoscaler has made of them; an apply that left them out would set one."""
        there = self.cluster.get("Deployment", workload) or {"spec": {}}
        return max(self.target.replicas, min(int(there["spec"].get("replicas", 0)), self.target.most_replicas))


def prune(cluster: Cluster, name: str, kinds: Collection[str], kept: Collection[str]) -> None:
    """Delete what of an endpoint belongs to a version, but to none of the workloads `kept`."""
    for kind in kinds:
        for each in cluster.list(kind, {ENDPOINT: dashed(name)}):
            if each["metadata"]["labels"].get(WORKLOAD, dashed(name)) not in (dashed(name), *kept):
                cluster.delete(kind, each["metadata"]["name"])
