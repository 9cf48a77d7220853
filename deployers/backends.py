"""The backend that a stack's model deployer stands for; without ZenML, so that `status` is quick."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deployers.interface import Deployer
from deployers.settings import KUBERNETES, LOCAL, SELDON, ClusterSettings, LocalSettings
from project.errors import ConfigError
from project.images import image_name

if TYPE_CHECKING:
    from deployers.kubernetes import Target


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
    registry, image = given.pop("registry"), given.pop("image")
    if image is None and registry is None:
        raise ConfigError("the model deployer has neither `image` nor `registry`", "python run.py stack doctor")
    return Target(image=image or image_name("serving", registry), **given)
