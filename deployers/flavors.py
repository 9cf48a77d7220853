"""ZenML flavors of the component type `model_deployer`: how a stack names one of our backends.

ZenML loads these by their dotted path when a stack is registered; they hold configuration and nothing else.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from zenml.model_deployers.base_model_deployer import (
    BaseModelDeployer,
    BaseModelDeployerConfig,
    BaseModelDeployerFlavor,
)

from deployers.interface import Deployer
from project.errors import ConfigError

if TYPE_CHECKING:
    from deployers.kubernetes import Target


class TabularLocalConfig(BaseModelDeployerConfig):
    """Endpoints are processes on this machine."""

    port: int = 8000
    host: str = "127.0.0.1"
    workers: int | None = None
    """Processes of an endpoint's server, from its next start on; without it as many as before, at first one."""

    @property
    def is_local(self) -> bool:
        """Such a stack works on this machine alone."""
        return True


class TabularKubernetesConfig(BaseModelDeployerConfig):
    """Endpoints are Deployments and Services of a cluster."""

    url: str
    """Base URL under which the cluster's gateway is reached."""
    bundles: str
    """`s3://BUCKET/PREFIX` where bundles are kept for pods."""
    namespace: str = "tabular"
    kubernetes_context: str | None = None
    incluster: bool = False
    image: str = "heart-model:dev"
    """The serving image; without it the one built with the project."""
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

    @property
    def is_remote(self) -> bool:
        """Such a stack needs nothing of this machine."""
        return True


class TabularSeldonConfig(TabularKubernetesConfig):
    """Endpoints are SeldonDeployments of a cluster."""


class _TabularFlavor(BaseModelDeployerFlavor):
    """What the flavors share."""

    @property
    def docs_url(self) -> str | None:
        """Documentation of the flavor: the project's own."""
        return None

    @property
    def sdk_docs_url(self) -> str | None:
        """API documentation of the flavor: the project's own."""
        return None

    @property
    def logo_url(self) -> str | None:
        """No picture; the dashboard shows its default."""
        return None


class TabularLocalFlavor(_TabularFlavor):
    """Flavor `tabular_local`."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "tabular_local"

    @property
    def config_class(self) -> type[TabularLocalConfig]:
        """Its configuration."""
        return TabularLocalConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its component."""
        from deployers.zenml_components import TabularLocalModelDeployer

        return TabularLocalModelDeployer


class TabularKubernetesFlavor(_TabularFlavor):
    """Flavor `tabular_kubernetes`."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "tabular_kubernetes"

    @property
    def config_class(self) -> type[TabularKubernetesConfig]:
        """Its configuration."""
        return TabularKubernetesConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its component."""
        from deployers.zenml_components import TabularKubernetesModelDeployer

        return TabularKubernetesModelDeployer


class TabularSeldonFlavor(_TabularFlavor):
    """Flavor `tabular_seldon`."""

    @property
    def name(self) -> str:
        """Name of the flavor."""
        return "tabular_seldon"

    @property
    def config_class(self) -> type[TabularSeldonConfig]:
        """Its configuration."""
        return TabularSeldonConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its component."""
        from deployers.zenml_components import TabularSeldonModelDeployer

        return TabularSeldonModelDeployer


def backend_of_active_stack(port: int | None = None) -> Deployer:
    """The backend that the active stack's model deployer stands for.

    Reads the stack's description only: building its components would import every integration it names.

    Args:
        port: For this run, instead of the configured one.

    Raises:
        ConfigError: The stack has no model deployer of ours, or one whose backend this version lacks.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack_model
    components = stack.components.get(StackComponentType.MODEL_DEPLOYER)
    if not components:
        raise ConfigError(f"the stack {stack.name!r} has no model deployer", "python run.py --stack local")
    return backend(components[0].flavor_name, components[0].configuration, stack.name, port)


def backend(flavor: str, configuration: dict[str, Any], stack: str, port: int | None = None) -> Deployer:
    """The backend of a flavor.

    Args:
        flavor: Name of the flavor.
        configuration: The component's configuration.
        stack: Name of the stack, for the endpoint's record.
        port: Local only: instead of the configured one.

    Raises:
        ConfigError: The flavor is not ours, or this version has no backend for it.
    """
    if flavor == TabularLocalFlavor().name:
        from deployers.local import LocalDeployer

        config = TabularLocalConfig(**configuration)
        return LocalDeployer(port=port or config.port, host=config.host, stack=stack, workers=config.workers)
    if flavor == TabularKubernetesFlavor().name:
        from deployers.kubernetes import kubernetes_deployer

        return kubernetes_deployer(_target(TabularKubernetesConfig(**configuration)), stack)
    if flavor == TabularSeldonFlavor().name:
        from deployers.seldon import seldon_deployer

        return seldon_deployer(_target(TabularSeldonConfig(**configuration)), stack)
    cause = f"the stack {stack!r} deploys with {flavor!r}, which is not a deployer of this project"
    raise ConfigError(cause, "python run.py --stack local")


def _target(config: TabularKubernetesConfig) -> Target:
    from deployers.kubernetes import Target

    given = {field.name: getattr(config, field.name) for field in fields(Target) if field.name != "context"}
    return Target(context=config.kubernetes_context, **given)
