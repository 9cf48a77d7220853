"""What differs between two clusters: addresses and names from the environment, under the names stacks/*.yaml use."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from k8s.platform.programs import kubectl, listed
from project.errors import ConfigError, reason

MODELS, SERVERS = "tabular", "tabular-platform"
"""Namespaces of the models and steps, and of the servers they talk to."""
PORTS = {"zenml": 30808, "mlflow": 30500, "s3": 30707, "gateway": 30080}
"""Ports of the node, as overlays/minikube has them; the gateway's is that of its installation."""
ROLES = {
    "EKS_MLFLOW_ROLE": (SERVERS, "mlflow"),
    "EKS_ZENML_ROLE": (SERVERS, "zenml"),
    "EKS_STEP_ROLE": (MODELS, "tabular-step"),
    "EKS_ORCHESTRATOR_ROLE": (MODELS, "tabular-orchestrator"),
    "EKS_SERVING_ROLE": (MODELS, "tabular-serving"),
}
"""The service account that takes each AWS role; all of them read or write the bucket and nothing else."""
Overlay = Literal["minikube", "eks"]


@dataclass(frozen=True, slots=True)
class Settings:
    """One platform.

    Args:
        overlay: The folder of its manifests, which is also the stack's name.
        context: Context of the kubeconfig.
        registry: Where images are pushed to and pulled from.
        bucket: Bucket for artifacts and bundles.
        region: Region that the bucket is in.
        urls: Address of each part, the same for this machine and for pods.
        gateway_class: Of the Gateway API implementation in use.
        client: Address by which the node's ports see this machine; none where a gateway is the way in.
        roles: AWS role by namespace and service account.
    """

    overlay: Overlay
    context: str
    registry: str
    bucket: str
    region: str
    urls: Mapping[str, str]
    gateway_class: str = "contour"
    client: str = ""
    roles: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def in_cluster(self) -> bool:
        """Whether the S3 server and the databases are in the cluster too."""
        return self.overlay == "minikube"


def settings(overlay: Overlay = "minikube") -> Settings:
    """The settings for the cluster of the current context.

    Raises:
        ProjectError: The cluster does not answer.
        ConfigError: It has no node with an address, a variable is not set, or the context is of another cluster.
    """
    if overlay == "eks":
        return _eks()
    host = os.environ.get("PLATFORM_HOST") or _node_address()
    return Settings(
        overlay=overlay,
        context=kubectl("config", "current-context").strip(),
        registry=os.environ.get("MINIKUBE_REGISTRY") or "localhost:5000/tabular",
        bucket=os.environ.get("MINIKUBE_BUCKET") or "tabular",
        region=os.environ.get("MINIKUBE_REGION") or "us-east-1",
        urls={part: f"http://{host}:{port}" for part, port in PORTS.items()},
        gateway_class=os.environ.get("GATEWAY_CLASS") or "contour",
        client=_seen_as(host),
    )


def _eks() -> Settings:
    parts = {"zenml": "EKS_ZENML_URL", "mlflow": "EKS_MLFLOW_URL", "gateway": "EKS_ENDPOINT_URL"}
    names = ["EKS_CONTEXT", "EKS_REGISTRY", "EKS_BUCKET", "EKS_REGION", *parts.values(), *ROLES]
    given = {name: os.environ.get(name, "") for name in names}
    if lacking := [name for name, value in given.items() if not value]:
        cause = f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not set"
        raise ConfigError(cause, f"export {' '.join(f'{name}=…' for name in lacking)}: terraform output names them")
    current = kubectl("config", "current-context").strip()
    if current != given["EKS_CONTEXT"]:  # the passwords of its databases would go into another cluster
        cause = f"kubectl's current context is {current}, EKS_CONTEXT says {given['EKS_CONTEXT']}"
        raise ConfigError(cause, f"kubectl config use-context {given['EKS_CONTEXT']}")
    return Settings(
        overlay="eks",
        context=given["EKS_CONTEXT"],
        registry=f"{given['EKS_REGISTRY']}/tabular",  # the path of stacks/eks.yaml
        bucket=given["EKS_BUCKET"],
        region=given["EKS_REGION"],
        urls={part: given[name].rstrip("/") for part, name in parts.items()},
        gateway_class=os.environ.get("GATEWAY_CLASS") or "contour",
        roles={account: given[name] for name, account in ROLES.items()},
    )


def architecture() -> str:
    """That of the cluster's nodes, as images name it: ours are built for one.

    Raises:
        ConfigError: They differ.
    """
    found = {str(node["status"]["nodeInfo"]["architecture"]) for node in listed("nodes")}
    if len(found) > 1:
        raise ConfigError(f"the cluster's nodes are {' and '.join(sorted(found))}", "use nodes of one architecture")
    return next(iter(found), "")


def _seen_as(host: str) -> str:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, PORTS["zenml"], type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asked:
            asked.connect(address)  # chooses a way and sends nothing
            return str(asked.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            f"no way to {host}: {reason(error)}", "export PLATFORM_HOST=… that host and pods reach"
        ) from None


def _node_address() -> str:
    for node in listed("nodes"):
        for address in node["status"].get("addresses", []):
            if address["type"] == "InternalIP":
                return str(address["address"])
    raise ConfigError("no node of the cluster has an address", "export PLATFORM_HOST=… that host and pods reach")
