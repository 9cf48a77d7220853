"""Bring the registered stack in line with its files: create what is missing, update in place, refuse the rest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from project.errors import Refused
from stacks.changes import ABSENT, Action, Change, diff_text, differing_keys
from stacks.connectors import find_connector, plan_connectors
from stacks.files import ComponentSpec, Stack
from stacks.plan import OURS, Planned
from stacks.prerequisites import plan_flavors, plan_secrets
from stacks.validation import validate_stack

if TYPE_CHECKING:
    from zenml.client import Client
    from zenml.models import ComponentResponse, StackResponse

_ATTEMPTS = 3
_FINGERPRINT = "fingerprint"
_NEW = "registered by someone else"


def unchanged(stack: Stack, client: Client) -> StackResponse | None:
    """The registered stack, if neither it nor the files changed since the last `apply`; else nothing.

    Reads the server alone and imports no flavor. Secrets are not compared: only `apply` looks at their variables.
    """
    registered = find_stack(stack.name, client)
    if registered is None or (registered.labels or {}).get(_FINGERPRINT) != _fingerprint(stack, registered):
        return None
    return registered


def compare(stack: Stack, client: Client) -> list[Change]:
    """Every difference between a stack's files and the server.

    Args:
        stack: The resolved stack.
        client: A client of the server to look into.

    Raises:
        ConfigError: The files do not fit ZenML's flavors, or a secret is nowhere to be had.
    """
    return [change for planned in _plan(stack, client) for change in planned.changes]


def apply(stack: Stack, client: Client) -> tuple[list[Change], StackResponse]:
    """Register the stack or update it in place; writes nothing when nothing differs.

    Args:
        stack: The resolved stack.
        client: A client of the server to register in.

    Returns:
        What was changed, and the registered stack.

    Raises:
        ConfigError: As `compare`.
        Refused: An unsafe difference; nothing was changed.
    """
    from zenml.exceptions import EntityExistsError

    # ZenML would write the stack into the user's configuration if this named it the active one while it is updated.
    os.environ.pop("ZENML_ACTIVE_STACK_ID", None)
    for attempt in range(1, _ATTEMPTS + 1):
        plan = list(_plan(stack, client))
        changes = [change for planned in plan for change in planned.changes]
        if unsafe := [change for change in changes if change.action is Action.UNSAFE]:
            raise Refused(
                f"stack {stack.name!r} was left as it is, these differences are unsafe:\n{diff_text(unsafe)}",
                "give the part another name in the stack file, or remove the registered one with 'zenml'",
            )
        try:
            for planned in plan:
                planned.write()
            return changes, _with_fingerprint(stack, client)
        except EntityExistsError:  # another process registers the same stack at this moment: look again
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def find_stack(name: str, client: Client) -> StackResponse | None:
    """The registered stack of exactly this name."""
    try:
        return client.get_stack(name, allow_name_prefix_match=False)
    except KeyError:
        return None


def _plan(stack: Stack, client: Client) -> Iterator[Planned]:
    stored = validate_stack(stack)
    yield from plan_secrets(stack, client)
    yield from plan_flavors(stack, client)
    yield from plan_connectors(stack, client)
    for component in stack.components:
        yield from _plan_component(stack, component, stored[component.type], client)
    yield from _plan_stack(stack, client)


def _plan_component(
    stack: Stack, component: ComponentSpec, configuration: dict[str, Any], client: Client
) -> Iterator[Planned]:
    part = f"{component.type} {component.name}"
    registered = _find_component(component, client)
    connector = next((c for c in stack.resources.connectors if component.type in c.components), None)
    name, resource_id = (connector.name, connector.resource_id) if connector else (None, None)

    def write() -> None:
        _write_component(component, configuration, name, resource_id, client)

    if registered is None:
        yield Planned([Change(Action.CREATE, part)], write)
        return
    before = {
        "flavor": registered.flavor_name,
        "configuration": registered.configuration,
        "connector": registered.connector.name if registered.connector else ABSENT,
    }
    after = {"flavor": component.flavor, "configuration": configuration, "connector": name or ABSENT}
    differences = list(differing_keys(before, after))
    if differences:
        reason = _why_unsafe(stack, component, registered, {key for key, _, _ in differences}, client)
        action = Action.UNSAFE if reason else Action.UPDATE
        yield Planned([Change(action, part, key, old, new, reason) for key, old, new in differences], write)


def _why_unsafe(
    stack: Stack, component: ComponentSpec, registered: ComponentResponse, keys: set[str], client: Client
) -> str:
    """Why a registered component must not be changed, or nothing if it may."""
    others = [other.name for other in client.list_stacks(component_id=registered.id) if other.name != stack.name]
    if others:
        return f"also used by stack {', '.join(others)}"
    if "flavor" in keys:
        return "a component can not change its flavor"
    if component.type == "artifact_store" and "configuration.path" in keys:
        return "artifacts of earlier runs stay at the old path"
    return "" if (registered.labels or {}).items() >= OURS.items() else _NEW


def _write_component(
    component: ComponentSpec,
    configuration: dict[str, Any],
    connector: str | None,
    resource_id: str | None,
    client: Client,
) -> None:
    from zenml.enums import StackComponentType

    kind = StackComponentType(component.type)
    registered = _find_component(component, client)
    if registered is None:
        registered = client.create_stack_component(
            component.name, component.flavor, kind, configuration, labels=dict(OURS)
        )
    dropped = dict.fromkeys(registered.configuration.keys() - configuration.keys())
    linked = find_connector(connector, client) if connector else None
    if registered.configuration != configuration or registered.connector != linked:
        client.update_stack_component(
            registered.id,
            kind,
            configuration={**configuration, **dropped},
            disconnect=linked is None,
            connector_id=linked.id if linked else None,
            connector_resource_id=resource_id,
        )


def _plan_stack(stack: Stack, client: Client) -> Iterator[Planned]:
    part = f"stack {stack.name}"
    registered = find_stack(stack.name, client)
    if registered is None:
        yield Planned([Change(Action.CREATE, part)], lambda: _write_stack(stack, client))
        return
    labels = registered.labels or {}
    before = {
        "components": {kind.value: parts[0].name for kind, parts in registered.components.items() if parts},
        "labels": {key: value for key, value in labels.items() if key != _FINGERPRINT},
    }
    after = {
        "components": {component.type: component.name for component in stack.components},
        "labels": {**stack.resources.labels, **OURS},
    }
    differences = list(differing_keys(before, after))
    foreign = not labels.items() >= OURS.items() and before["components"] != after["components"]
    if differences:
        action, reason = (Action.UNSAFE, _NEW) if foreign else (Action.UPDATE, "")
        changes = [Change(action, part, key, old, new, reason) for key, old, new in differences]
        yield Planned(changes, lambda: _write_stack(stack, client))


def _write_stack(stack: Stack, client: Client) -> None:
    from zenml.enums import StackComponentType

    found = {component.type: _find_component(component, client) for component in stack.components}
    components = {StackComponentType(kind): [component.id] for kind, component in found.items() if component}
    labels: dict[str, Any] = {**stack.resources.labels, **OURS}
    registered = find_stack(stack.name, client)
    if registered is None:
        client.create_stack(stack.name, components, labels=labels)
        return
    dropped = dict.fromkeys((registered.labels or {}).keys() - labels.keys())
    gone: Mapping[StackComponentType, list[Any]] = {
        kind: [] for kind in registered.components if kind not in components
    }
    client.update_stack(registered.id, component_updates={**components, **gone}, labels={**labels, **dropped})


def _with_fingerprint(stack: Stack, client: Client) -> StackResponse:
    registered = client.get_stack(stack.name, allow_name_prefix_match=False)
    fingerprint = _fingerprint(stack, registered)
    if (registered.labels or {}).get(_FINGERPRINT) == fingerprint:
        return registered
    return client.update_stack(registered.id, labels={_FINGERPRINT: fingerprint})


def _fingerprint(stack: Stack, registered: StackResponse) -> str:
    parts = [
        [kind.value, str(c.id), c.flavor_name, c.configuration, str(c.connector.id) if c.connector else None]
        for kind, components in sorted(registered.components.items())
        for c in components
    ]
    labels = {key: value for key, value in (registered.labels or {}).items() if key != _FINGERPRINT}
    return hashlib.sha256(json.dumps([stack.digest, parts, labels], sort_keys=True).encode()).hexdigest()


def _find_component(component: ComponentSpec, client: Client) -> ComponentResponse | None:
    from zenml.enums import StackComponentType

    try:
        return client.get_stack_component(
            StackComponentType(component.type), component.name, allow_name_prefix_match=False
        )
    except KeyError:
        return None
