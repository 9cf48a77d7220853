"""A deployer that makes its pods by Deployments."""

from __future__ import annotations

from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.deployer import ClusterDeployer
from deployers.kubernetes.target import Target
from deployers.kubernetes.workloads import Deployments


def kubernetes_deployer(target: Target, stack: str = "") -> ClusterDeployer:
    """The deployer of a target on plain Kubernetes."""
    cluster = Cluster(target.namespace, target.kubernetes_context, target.incluster)
    return ClusterDeployer(target, cluster, Deployments(cluster, target), stack)
