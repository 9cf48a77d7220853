"""What a stack's model deployer is configured with, and its backend; without ZenML, so that `status` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from deployers.interface import Deployer
from project.errors import ConfigError
from project.images import image_name

if TYPE_CHECKING:
    from deployers.kubernetes import Target

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


def backend(flavor: str, configuration: Mapping[str, Any], stack: str, port: int | None = None) -> Deployer:
    """The backend of a flavor.

    Args:
        flavor: Name of the flavor.
        configuration: The component's configuration.
        stack: Name of the stack, for the endpoint's record.
        port: Local only: instead of the configured one.

    Raises:
        ConfigError: The flavor is not ours.
    """
    if flavor == LOCAL:
        from deployers.local import LocalDeployer

        local = LocalSettings(**configuration)
        return LocalDeployer(port=port or local.port, host=local.host, stack=stack, workers=local.workers)
    if flavor == KUBERNETES:
        from deployers.kubernetes import kubernetes_deployer

        return kubernetes_deployer(_target(configuration), stack)
    if flavor == SELDON:
        from deployers.seldon import seldon_deployer

        return seldon_deployer(_target(configuration), stack)
    cause = f"the stack {stack!r} deploys with {flavor!r}, which is not a deployer of this project"
    raise ConfigError(cause, "python run.py --stack local")


def _target(configuration: Mapping[str, Any]) -> Target:
    from deployers.kubernetes import Target

    given = ClusterSettings(**configuration).model_dump()
    context, registry, image = (given.pop(name) for name in ("kubernetes_context", "registry", "image"))
    if image is None and registry is None:
        raise ConfigError("the model deployer has neither `image` nor `registry`", "python run.py stack doctor")
    return Target(context=context, image=image or image_name("serving", registry), **given)
