"""The Kubernetes backend: Deployments and Services behind a route of the Gateway API; Seldon's builds on it."""

from deployers.kubernetes.backend import kubernetes_deployer
from deployers.kubernetes.target import Target

__all__ = ["Target", "kubernetes_deployer"]
