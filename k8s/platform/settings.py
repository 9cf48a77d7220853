"""What differs between two clusters: addresses and names from the environment, under the names stacks/*.yaml use."""

from __future__ import annotations

import os
from dataclasses import dataclass

from k8s.platform.programs import kubectl, listed
from project.errors import ConfigError

MODELS, SERVERS = "tabular", "tabular-platform"
"""Namespaces of the models and steps, and of the servers they talk to."""
PORTS = {"zenml": 30808, "mlflow": 30500, "s3": 30707, "gateway": 30080}
"""Ports of the node, as overlays/minikube has them; the gateway's is that of its installation."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One platform.

    Args:
        context: Context of the kubeconfig.
        host: Address of a node that both this machine and pods reach.
        registry: Where images are pushed to and pulled from.
        bucket: Bucket for artifacts and bundles.
        region: Region that the S3 server says it is in.
    """

    context: str
    host: str
    registry: str
    bucket: str
    region: str

    def url(self, part: str) -> str:
        """Address of a server, the same for this machine and for pods."""
        return f"http://{self.host}:{PORTS[part]}"


def settings() -> Settings:
    """The settings for the cluster of the current context.

    Raises:
        ProjectError: The cluster does not answer.
        ConfigError: It has no node with an address.
    """
    return Settings(
        context=kubectl("config", "current-context").strip(),
        host=os.environ.get("PLATFORM_HOST") or _node_address(),
        registry=os.environ.get("MINIKUBE_REGISTRY") or "localhost:5000/tabular",
        bucket=os.environ.get("MINIKUBE_BUCKET") or "tabular",
        region=os.environ.get("MINIKUBE_REGION") or "us-east-1",
    )


def _node_address() -> str:
    for node in listed("nodes"):
        for address in node["status"].get("addresses", []):
            if address["type"] == "InternalIP":
                return str(address["address"])
    raise ConfigError("no node of the cluster has an address", "export PLATFORM_HOST=… that host and pods reach")
