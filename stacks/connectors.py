"""Service connectors of a stack: checked against ZenML's connector types, registered without being verified."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from project.errors import ConfigError
from project.strict_yaml import did_you_mean, shown
from stacks.changes import ABSENT, Action, Change, differing_keys
from stacks.files import Stack
from stacks.plan import OURS, Planned
from stacks.schema import Connector

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ServiceConnectorResponse


def validate_connectors(stack: Stack) -> None:
    """Check type, method, resource and configuration keys of each connector.

    ZenML keeps no references in a connector, only values: so a key that is a secret has no place in a file, and
    the methods that need one (against a role, or the server's own identity) are left to `zenml service-connector`.

    Raises:
        ConfigError: Something ZenML does not know, or a secret.
    """
    if not stack.resources.connectors:
        return
    from zenml.service_connectors.service_connector_registry import service_connector_registry

    known = {kind.connector_type: kind for kind in service_connector_registry.list_service_connector_types()}
    for connector in stack.resources.connectors:
        at = f"{shown(stack.sidecar)}: connector {connector.name!r}"
        kind = known.get(connector.type)
        if kind is None:
            raise ConfigError(f"{at}: unknown type {connector.type!r}{did_you_mean(connector.type, list(known))}")
        methods, types = kind.auth_method_dict, kind.resource_type_dict
        if connector.auth_method not in methods:
            near = did_you_mean(connector.auth_method, list(methods))
            raise ConfigError(f"{at}: unknown auth_method {connector.auth_method!r}{near}")
        if connector.resource_type not in types:
            near = did_you_mean(connector.resource_type, list(types))
            raise ConfigError(f"{at}: unknown resource_type {connector.resource_type!r}{near}")
        fields: dict[str, Any] = methods[connector.auth_method].config_schema["properties"]
        for key in connector.configuration:
            if key not in fields:
                raise ConfigError(f"{at}: unknown key {key!r}{did_you_mean(key, list(fields))}")
            if "password" in [option.get("format") for option in (fields[key], *fields[key].get("anyOf", []))]:
                raise ConfigError(
                    f"{at}: {key!r} is a secret, and a connector can not refer to one",
                    "use a role, or register this connector by hand: zenml service-connector register",
                )


def plan_connectors(stack: Stack, client: Client) -> Iterator[Planned]:
    """Register connectors without verifying them; `doctor` is what tries to reach things."""
    for declared in stack.resources.connectors:
        registered = find_connector(declared.name, client)
        part = f"connector {declared.name}"
        if registered is None:
            yield Planned([Change(Action.CREATE, part)], partial(_create, declared, client))
            continue
        foreign = "" if registered.labels.items() >= OURS.items() else "registered by someone else"
        retyped = "another type of connector" if registered.type != declared.type else ""
        changes = [
            Change(Action.UNSAFE if foreign or retyped else Action.UPDATE, part, key, before, after, foreign or retyped)
            for key, before, after in differing_keys(_summary(registered), _declared(declared))
        ]
        if changes:
            yield Planned(changes, partial(_update, declared, client))


def find_connector(name: str, client: Client) -> ServiceConnectorResponse | None:
    """The registered connector of exactly this name."""
    try:
        return client.get_service_connector(name, allow_name_prefix_match=False)
    except KeyError:
        return None


def _create(declared: Connector, client: Client) -> None:
    try:
        client.create_service_connector(
            declared.name,
            connector_type=declared.type,
            auth_method=declared.auth_method,
            resource_type=declared.resource_type,
            resource_id=declared.resource_id,
            configuration=declared.configuration,
            labels=dict(OURS),
            verify=False,
            list_resources=False,
        )
    except (KeyError, ValueError) as error:
        raise ConfigError(f"connector {declared.name!r} is not accepted by ZenML: {error}") from None


def _update(declared: Connector, client: Client) -> None:
    client.update_service_connector(
        declared.name,
        auth_method=declared.auth_method,
        resource_type=declared.resource_type,
        resource_id=declared.resource_id or "",
        configuration=declared.configuration,
        verify=False,
        list_resources=False,
    )


def _declared(connector: Connector) -> dict[str, Any]:
    return {
        "type": connector.type,
        "auth_method": connector.auth_method,
        "resource_type": connector.resource_type,
        "resource_id": connector.resource_id or ABSENT,
        "configuration": {key: str(value) for key, value in connector.configuration.items()},
    }


def _summary(connector: ServiceConnectorResponse) -> dict[str, Any]:
    types = connector.resource_types
    return {
        "type": connector.type,
        "auth_method": connector.auth_method,
        "resource_type": types[0] if len(types) == 1 else types,
        "resource_id": connector.resource_id or ABSENT,
        "configuration": {key: str(value) for key, value in connector.configuration.plain.items()},
    }
