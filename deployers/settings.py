"""What a stack's model deployer is configured with; alone, as the image of the steps has it for ZenML's flavors."""

from __future__ import annotations

from pydantic import BaseModel

LOCAL, KUBERNETES, SELDON = "tabular_local", "tabular_kubernetes", "tabular_seldon"
"""Names of the flavors."""


class LocalSettings(BaseModel):
    """Endpoints are processes on this machine."""

    port: int = 8000
    host: str = "127.0.0.1"
    workers: int | None = None
    """Processes of an endpoint's server, from its next start on; without it as many as before, at first one."""


class ClusterSettings(BaseModel):
    """Endpoints are objects in a namespace of a cluster."""

    url: str
    """Base URL under which the cluster's gateway is reached."""
    bundles: str
    """`s3://BUCKET/PREFIX` where bundles are kept for pods."""
    namespace: str = "tabular"
    kubernetes_context: str | None = None
    incluster: bool = False
    registry: str | None = None
    """Where the serving image of this tree is."""
    image: str | None = None
    """Another serving image instead."""
    replicas: int = 2
    most_replicas: int = 6
    """To which the autoscaler may go."""
    s3_endpoint: str | None = None
    """The S3 server, an address that both this process and pods reach; without it AWS."""
    s3_region: str | None = None
    s3_secret: str | None = None
    """Kubernetes Secret with the keys of S3; without it pods and this process use their roles."""
    keys_secret: str = "tabular-keys"  # noqa: S105  a name, no password
    gateway: str = "tabular"
    service_account: str = "tabular-serving"
