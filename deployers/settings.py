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


class Placement(BaseModel):
    """A namespace of a cluster, and what an endpoint in it is made with."""

    url: str
    """Base URL under which the cluster's gateway is reached."""
    bundles: str
    """`s3://BUCKET/PREFIX`; a bundle lies below it by its digest."""
    namespace: str = "tabular"
    kubernetes_context: str | None = None
    """The kubeconfig's context; without it the current one."""
    incluster: bool = False
    """Inside a pod use its own account; elsewhere the context counts."""
    replicas: int = 2
    most_replicas: int = 6
    """To which the autoscaler may go, where there is one; no more than `replicas`: there is none."""
    s3_endpoint: str | None = None
    """The S3 server, an address that both this process and pods reach; without it AWS."""
    s3_region: str | None = None
    s3_secret: str | None = None
    """Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without it pods and this process use their roles."""
    keys_secret: str = "tabular-keys"  # noqa: S105  a name, no password
    """Secret with the server's `keys.json`, and under `key` a key for those who may read it."""
    gateway: str = "tabular"
    service_account: str = "tabular-serving"


class ClusterSettings(Placement):
    """Endpoints are objects in a namespace of a cluster."""

    registry: str | None = None
    """Where the serving image of this tree is."""
    image: str | None = None
    """Another serving image instead."""
