"""Which deployer a command means that needs no ZenML: that of `--stack`, else the one this tree last deployed with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from deployers.interface import Deployer
from project.errors import ConfigError

LOCAL = "local"
Command = TypeVar("Command", bound=Callable[..., Any])


def place_option(command: Command) -> Command:
    """Add `--stack`, which also counts before the command's name."""
    return click.option("--stack", help="Where it serves; without it the stack last deployed to from here.")(command)


def deployer(stack: str | None) -> Deployer:
    """The deployer of a stack, where this tree deployed to it as it was then, else as its file says.

    Raises:
        ConfigError: There is no such stack, it has no deployer of ours, or a variable it asks for is not set.
    """
    from deployers.remembered import Place, recall

    place = recall(stack)
    if place is not None:
        return place.deployer()
    if stack in (None, LOCAL):
        from deployers.local import LocalDeployer

        return LocalDeployer(stack=LOCAL)
    from stacks.files import read_stack

    component = read_stack(stack).component("model_deployer")
    if component is None:
        raise ConfigError(f"the stack {stack!r} has no model deployer", "python run.py stack list")
    return Place(stack, component.flavor, component.configuration).deployer()
