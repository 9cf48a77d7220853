"""A deployer that lets Seldon's operator make its pods."""

from __future__ import annotations

from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.deployer import ClusterDeployer
from deployers.kubernetes.target import Target
from deployers.seldon.predictors import Predictors


def seldon_deployer(target: Target, stack: str = "") -> ClusterDeployer:
    """The deployer of a target on Seldon Core."""
    cluster = Cluster(target.namespace, target.kubernetes_context, target.incluster)
    return ClusterDeployer(target, cluster, Predictors(cluster, target), stack)
