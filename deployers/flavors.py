"""ZenML flavors of the component type `model_deployer`: how a stack names one of our backends.

ZenML loads these by their dotted path when a stack is registered; they hold configuration and nothing else.
"""

from __future__ import annotations

from typing import Any

from zenml.model_deployers.base_model_deployer import (
    BaseModelDeployer,
    BaseModelDeployerConfig,
    BaseModelDeployerFlavor,
)

from deployers.settings import KUBERNETES, LOCAL, SELDON, ClusterSettings, LocalSettings
from project.errors import ConfigError


class TabularLocalConfig(LocalSettings, BaseModelDeployerConfig):
    """Endpoints are processes on this machine."""

    @property
    def is_local(self) -> bool:
        """Such a stack works on this machine alone."""
        return True


class TabularKubernetesConfig(ClusterSettings, BaseModelDeployerConfig):
    """Endpoints are Deployments and Services of a cluster."""

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
        return LOCAL

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
        return KUBERNETES

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
        return SELDON

    @property
    def config_class(self) -> type[TabularSeldonConfig]:
        """Its configuration."""
        return TabularSeldonConfig

    @property
    def implementation_class(self) -> type[BaseModelDeployer]:
        """Its component."""
        from deployers.zenml_components import TabularSeldonModelDeployer

        return TabularSeldonModelDeployer


def active_component() -> tuple[str, str, dict[str, Any]]:
    """Name of the active stack, flavor and configuration of its model deployer.

    Reads the stack's description only: building its components would import every integration it names.

    Raises:
        ConfigError: The stack has no model deployer.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack_model
    components = stack.components.get(StackComponentType.MODEL_DEPLOYER)
    if not components:
        raise ConfigError(f"the stack {stack.name!r} has no model deployer", "python run.py --stack local")
    return stack.name, components[0].flavor_name, components[0].configuration
