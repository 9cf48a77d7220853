"""Read a stack's two files into one resolved `Stack`; imports no ZenML, so `list` answers at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.errors import ConfigError
from project.paths import ROOT, STACKS
from project.strict_yaml import Path_, did_you_mean, read_tree, shown, validate
from stacks.schema import RemoteServer, Resources, StackFile
from stacks.substitution import Missing, or_refuse, resolve

_SIDECAR = ".resources"
_SECRET = re.compile(r"\{\{\s*([^\s.{}]+)\.([^\s{}]+)\s*\}\}")
Where = Mapping[Path_, str]


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One component as it shall be registered.

    Args:
        type: ZenML's component type.
        name: Its name, unique for the type in a server.
        flavor: The flavor's name.
        configuration: Resolved; secrets stand as `{{name.key}}`.
        where: `file:line` of each configuration key, of the flavor (`("flavor",)`) and of the component (`()`).
    """

    type: str
    name: str
    flavor: str
    configuration: dict[str, Any]
    where: Where

    def line(self, *path: str | int) -> str:
        """`file:line` of a configuration key, or of the nearest part around it."""
        return self.locate(path)

    def locate(self, path: Path_) -> str:
        """As `line`, for a path held as one value."""
        while path and path not in self.where:
            path = path[:-1]
        return self.where[path]


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack with every variable replaced."""

    name: str
    zenml_version: str
    components: tuple[ComponentSpec, ...]
    resources: Resources
    path: Path
    sidecar: Path

    @property
    def digest(self) -> str:
        """Changes whenever anything that `apply` would register changes."""
        declared = {
            "zenml": self.zenml_version,
            "components": [[c.type, c.name, c.flavor, c.configuration] for c in self.components],
            "resources": self.resources.model_dump(mode="json"),
        }
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()

    def component(self, kind: str) -> ComponentSpec | None:
        """The component of a type, if the stack has one."""
        return next((component for component in self.components if component.type == kind), None)


def names(folder: Path = STACKS) -> list[str]:
    """The stacks that have a file, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml") if not path.stem.endswith(_SIDECAR))


def read_stack(name: str, environment: Mapping[str, str] | None = None, folder: Path = STACKS) -> Stack:
    """Read `NAME.yaml` and `NAME.resources.yaml` and replace their variables.

    Args:
        name: The stack.
        environment: The variables; the process's environment if not given. `PROJECT_ROOT` is always this project.
        folder: Where the files are.

    Returns:
        The resolved stack.

    Raises:
        ConfigError: No such stack, a file that does not fit its schema, a variable that is not set, or a secret
            that the sidecar does not declare.
    """
    if name not in names(folder):
        raise ConfigError(f"there is no stack {name!r}{did_you_mean(name, names(folder))}", "python run.py stack list")
    variables = {**(os.environ if environment is None else environment), "PROJECT_ROOT": str(ROOT)}
    sidecar = _sidecar(name, folder)
    resources = read_resources(name, folder)
    version, raw = _components(name, resources, folder)
    missing: list[Missing] = []
    components = []
    for component in raw:
        configuration, unset = resolve(component.configuration, variables, component.locate)
        missing += unset
        components.append(
            ComponentSpec(component.type, component.name, component.flavor, configuration, component.where)
        )
    tree, lines = read_tree(sidecar)
    resolved, unset = resolve(tree, variables, lambda at: f"{shown(sidecar)}:{lines[at]}")
    or_refuse(missing + unset)
    stack = Stack(
        name,
        version,
        tuple(components),
        validate(resolved, Resources, sidecar, lines),
        folder / f"{name}.yaml",
        sidecar,
    )
    _refuse_undeclared_secrets(stack)
    return stack


def read_resources(name: str, folder: Path = STACKS) -> Resources:
    """Read the sidecar of a stack, its variables unresolved.

    Raises:
        ConfigError: The file is missing, does not fit its schema or extends a stack that is not there.
    """
    path = _sidecar(name, folder)
    tree, lines = read_tree(path)
    resources = validate(tree, Resources, path, lines)
    others = [other for other in names(folder) if other != name]
    if resources.extends is not None and resources.extends not in others:
        line = lines[("extends",)]
        raise ConfigError(
            f"{shown(path)}:{line}: extends {resources.extends!r}{did_you_mean(resources.extends, others)}"
        )
    return resources


def server_of(name: str, environment: Mapping[str, str] | None = None, folder: Path = STACKS) -> str:
    """Where a stack lives: `local`, its server's URL, or the variable that is to name it."""
    server = read_resources(name, folder).server
    if not isinstance(server, RemoteServer):
        return "local"
    here = os.environ if environment is None else environment
    url, missing = resolve(server.url, here, lambda _: str(_sidecar(name, folder)))
    return f"{missing[0].variable} is not set" if missing else str(url)


def secret_references(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Each `{{secret.key}}` of a configuration as (configuration key, secret, key of the secret)."""
    for key, value in configuration.items():
        if isinstance(value, str) and (found := _SECRET.fullmatch(value)):
            yield key, found.group(1), found.group(2)


def _sidecar(name: str, folder: Path) -> Path:
    return folder / f"{name}{_SIDECAR}.yaml"


def _components(
    name: str, resources: Resources, folder: Path, above: tuple[str, ...] = ()
) -> tuple[str, list[ComponentSpec]]:
    path = folder / f"{name}.yaml"
    tree, lines = read_tree(path)
    file = validate(tree, StackFile, path, lines)
    if file.stack_name != name:
        line = lines[("stack_name",)]
        raise ConfigError(f"{shown(path)}:{line}: stack_name is {file.stack_name!r}, the file says {name!r}")
    components = []
    for kind, component in file.components.listed().items():
        at: Path_ = ("components", kind, 0)
        where = {
            (): f"{shown(path)}:{lines[at]}",
            **_below(lines, at, path),
            **_below(lines, (*at, "configuration"), path),
        }
        components.append(ComponentSpec(kind, component.name, component.flavor, component.configuration, where))
    if resources.extends is None:
        return file.zenml_version, components
    if resources.extends in above:
        ring = " extends ".join((*above, name, resources.extends))
        raise ConfigError(f"{shown(_sidecar(name, folder))}: a stack can not stand on itself: {ring}")
    _, base = _components(resources.extends, read_resources(resources.extends, folder), folder, (*above, name))
    return file.zenml_version, [_over(base, component) for component in components]


def _below(lines: Mapping[Path_, int], at: Path_, path: Path) -> dict[Path_, str]:
    return {
        key[len(at) :]: f"{shown(path)}:{line}" for key, line in lines.items() if key[: len(at)] == at and key != at
    }


def _over(base: list[ComponentSpec], component: ComponentSpec) -> ComponentSpec:
    """The component on top of the base's one of the same type and flavor; `null` takes a key away."""
    below = next((b for b in base if b.type == component.type and b.flavor == component.flavor), None)
    if below is None:
        return component
    configuration = _merged(below.configuration, component.configuration, component)
    return ComponentSpec(
        component.type, component.name, component.flavor, configuration, {**below.where, **component.where}
    )


def _merged(
    below: Mapping[str, Any], above: Mapping[str, Any], component: ComponentSpec, at: Path_ = ()
) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merged[key] = _merged(below[key], value, component, (*at, key))
        elif value is not None:
            merged[key] = value
        elif merged.pop(key, None) is None:
            raise ConfigError(
                f"{component.line(*at, key)}: {key!r} is null to take away a key that is not there"
                f"{did_you_mean(key, list(below))}"
            )
    return merged


def _refuse_undeclared_secrets(stack: Stack) -> None:
    declared = [f"{secret}.{key}" for secret, keys in stack.resources.secrets.items() for key in keys]
    for component in stack.components:
        for at, secret, key in secret_references(component.configuration):
            if f"{secret}.{key}" not in declared:
                raise ConfigError(
                    f"{component.line(at)}: the secret '{secret}.{key}' is not declared in {shown(stack.sidecar)}"
                    f"{did_you_mean(f'{secret}.{key}', declared) if declared else ''}",
                    f"declare it there under 'secrets: {secret}: {key}: VARIABLE'",
                )
