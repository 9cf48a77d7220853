"""In which image the steps of the active stack run."""

from __future__ import annotations

from typing import Any

from project.errors import ConfigError
from project.images import image_name


def step_image() -> str | None:
    """The image for the steps of the active stack; None where they run in the process that starts them.

    Raises:
        ConfigError: Steps run elsewhere, and the stack names no registry to pull their image from.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack_model
    (orchestrator,) = stack.components[StackComponentType.ORCHESTRATOR]
    if orchestrator.flavor_name == "local":
        return None
    registries = stack.components.get(StackComponentType.CONTAINER_REGISTRY)
    if not registries:
        raise ConfigError(
            f"the stack {stack.name!r} runs steps with {orchestrator.flavor_name!r} and has no container registry",
            f"zenml stack update {stack.name} --container_registry NAME",
        )
    where = registries[0].configuration
    return image_name("steps", "/".join(part for part in (where["uri"], where.get("default_repository")) if part))


def step_settings() -> dict[str, Any]:
    """ZenML settings under which steps of the active stack find their image and our code.

    The image has the lock and no code: that goes by the artifact store, so a changed step needs no new image.
    """
    image = step_image()
    if image is None:
        return {}
    docker = {
        "parent_image": image,
        "skip_build": True,
        "allow_download_from_artifact_store": True,
        "install_stack_requirements": False,
    }
    return {"docker": docker}
