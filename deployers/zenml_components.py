"""The ZenML components behind our flavors: a place in the stack, nothing more.

ZenML's own deployment calls work on services it numbers itself and deletes the old server before the new one is
up. Ours are reached by `deployers.active()`; whoever comes by ZenML's way is told so.
"""

from __future__ import annotations

from typing import ClassVar, NoReturn
from uuid import UUID

from zenml.model_deployers.base_model_deployer import (
    DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT,
    BaseModelDeployer,
    BaseModelDeployerFlavor,
)
from zenml.services import BaseService, ServiceConfig

from deployers.flavors import TabularKubernetesFlavor, TabularLocalFlavor, TabularSeldonFlavor
from project.errors import ConfigError

TIMEOUT = DEFAULT_DEPLOYMENT_START_STOP_TIMEOUT


class TabularModelDeployer(BaseModelDeployer):
    """Refuses ZenML's service calls, each with the command that does the same on every stack."""

    def perform_deploy_model(self, id: UUID, config: ServiceConfig, timeout: int = TIMEOUT) -> BaseService:  # noqa: A002  ZenML's name
        """Not ZenML's to do.

        Raises:
            ConfigError: Always.
        """
        _refuse("deploy_model", "python run.py deploy")

    @staticmethod
    def get_model_server_info(service: BaseService) -> dict[str, str | None]:
        """Not ZenML's to do.

        Raises:
            ConfigError: Always.
        """
        _refuse("get_model_server_info", "python run.py status")

    def perform_stop_model(self, service: BaseService, timeout: int = TIMEOUT, force: bool = False) -> BaseService:
        """Not ZenML's to do.

        Raises:
            ConfigError: Always.
        """
        _refuse("stop_model_server", "python run.py down")

    def perform_start_model(self, service: BaseService, timeout: int = TIMEOUT) -> BaseService:
        """Not ZenML's to do.

        Raises:
            ConfigError: Always.
        """
        _refuse("start_model_server", "python run.py deploy")

    def perform_delete_model(self, service: BaseService, timeout: int = TIMEOUT, force: bool = False) -> None:
        """Not ZenML's to do.

        Raises:
            ConfigError: Always.
        """
        _refuse("delete_model_server", "python run.py down")


class TabularLocalModelDeployer(TabularModelDeployer):
    """Component of the flavor `tabular_local`."""

    NAME: ClassVar[str] = "Tabular (local process)"
    FLAVOR: ClassVar[type[BaseModelDeployerFlavor]] = TabularLocalFlavor


class TabularKubernetesModelDeployer(TabularModelDeployer):
    """Component of the flavor `tabular_kubernetes`."""

    NAME: ClassVar[str] = "Tabular (Kubernetes)"
    FLAVOR: ClassVar[type[BaseModelDeployerFlavor]] = TabularKubernetesFlavor


class TabularSeldonModelDeployer(TabularModelDeployer):
    """Component of the flavor `tabular_seldon`."""

    NAME: ClassVar[str] = "Tabular (Seldon)"
    FLAVOR: ClassVar[type[BaseModelDeployerFlavor]] = TabularSeldonFlavor


def _refuse(call: str, command: str) -> NoReturn:
    raise ConfigError(f"this deployer has no ZenML services, so {call} does not apply", command)
