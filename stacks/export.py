"""A registered stack as `zenml stack export` would write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from project.errors import ConfigError
from stacks.registry import find_stack

if TYPE_CHECKING:
    from zenml.client import Client


def exported(name: str, client: Client) -> dict[str, Any]:
    """The content of ZenML's export file for a registered stack.

    Raises:
        ConfigError: No stack of this name is registered.
    """
    import zenml

    registered = find_stack(name, client)
    if registered is None:
        raise ConfigError(f"stack {name!r} is not registered in this ZenML server", f"python run.py stack apply {name}")
    content: dict[str, Any] = {"zenml_version": zenml.__version__, **registered.to_yaml()}
    return content
