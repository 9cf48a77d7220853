"""What must be registered before the components: secrets and the project's flavors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from project.errors import ConfigError
from project.strict_yaml import shown
from stacks.changes import Action, Change
from stacks.files import Stack
from stacks.plan import Planned
from stacks.validation import own_flavors

if TYPE_CHECKING:
    from zenml.client import Client


def plan_secrets(stack: Stack, client: Client) -> Iterator[Planned]:
    """Create or rotate each secret whose variables are set; one that is registered and not set stays.

    Raises:
        ConfigError: A key is neither registered nor set.
    """
    for secret, variables in stack.resources.secrets.items():
        try:
            registered = client.get_secret_by_name_and_private_status(secret).secret_values
        except KeyError:
            registered = None
        given = {key: os.environ[variable] for key, variable in variables.items() if os.environ.get(variable)}
        lacking = [key for key in variables if key not in given and key not in (registered or {})]
        if lacking:
            raise ConfigError(
                f"{shown(stack.sidecar)}: the secret {secret!r} has no {' or '.join(map(repr, lacking))} in this ZenML "
                f"server, and {' and '.join(variables[key] for key in lacking)} not set here",
                f"export {' '.join(f'{variables[key]}=…' for key in lacking)}",
            )
        if registered is None:
            yield Planned(
                [Change(Action.CREATE, f"secret {secret}")],
                partial(client.create_secret, secret, given),
            )
        elif changed := {key: value for key, value in given.items() if registered.get(key) != value}:
            yield Planned(
                [Change(Action.UPDATE, f"secret {secret}", key, "hidden", "another value") for key in changed],
                partial(client.update_secret, secret, add_or_update_values=changed),
            )


def plan_flavors(stack: Stack, client: Client) -> Iterator[Planned]:
    """Register the project's flavors; one of the same name from elsewhere is not safe to replace."""
    from zenml.enums import StackComponentType
    from zenml.models import FlavorUpdate

    flavors = own_flavors(stack)
    for declared, flavor in zip(stack.resources.flavors, flavors.values(), strict=True):
        part, kind = f"flavor {flavor.name}", StackComponentType(declared.type)
        try:
            registered = client.get_flavor_by_name_and_type(flavor.name, kind)
        except KeyError:
            yield Planned(
                [Change(Action.CREATE, part)],
                partial(client.create_flavor, declared.source, kind),
            )
            continue
        if registered.source != declared.source:
            reason = "a flavor of this name and type comes from elsewhere"
            change = Change(Action.UNSAFE, part, "source", registered.source, declared.source, reason)
            yield Planned([change], lambda: None)
        elif registered.config_schema != flavor.config_schema:
            update = FlavorUpdate(config_schema=flavor.config_schema)
            yield Planned(
                [Change(Action.UPDATE, part, "config_schema", "of another version", "of this one")],
                partial(client.zen_store.update_flavor, registered.id, update),
            )
