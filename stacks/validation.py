"""Hold a stack against what ZenML accepts: flavor names, configuration keys and types, secrets, connectors."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from project.errors import ConfigError
from project.strict_yaml import Path_, did_you_mean, shown
from project.wording import expected, places, written
from stacks.connectors import validate_connectors
from stacks.files import ComponentSpec, Stack, secret_references

if TYPE_CHECKING:
    from zenml.stack import Flavor
    from zenml.stack.stack_component import StackComponentConfig

# Dictionaries that a flavor passes on unread: a typing error in them is found by nobody before a pod or a bucket does.
_BOTO_CLIENT = frozenset(
    {"region_name", "api_version", "use_ssl", "verify", "endpoint_url", "aws_account_id"}
    | {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
)


def validate_stack(stack: Stack) -> dict[str, dict[str, Any]]:
    """Check every component against its flavor's own configuration class, and every connector against its type.

    Args:
        stack: The resolved stack.

    Returns:
        For each component type the configuration as ZenML would store it, secrets still as references.

    Raises:
        ConfigError: Another ZenML version, an unknown flavor, key or type, or a secret written as a plain value.
    """
    import zenml

    if stack.zenml_version.split(".")[:2] != zenml.__version__.split(".")[:2]:
        raise ConfigError(
            f"{shown(stack.path)}: zenml_version is {stack.zenml_version}, installed is {zenml.__version__}",
            "pip install -r requirements.txt, or compare the file with 'python run.py stack export'",
        )
    validate_connectors(stack)
    own = own_flavors(stack)
    return {component.type: _stored(component, stack, own) for component in stack.components}


def own_flavors(stack: Stack) -> dict[tuple[str, str], Flavor]:
    """Import the project's flavors that a stack declares, by (type, name).

    Raises:
        ConfigError: A source that can not be imported, or is a flavor of another type.
    """
    from zenml.stack import Flavor

    flavors: dict[tuple[str, str], Flavor] = {}
    for declared in stack.resources.flavors:
        module, _, name = declared.source.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"{shown(stack.sidecar)}: flavor {declared.source} can not be imported: {error}"
            ) from None
        if not (isinstance(found, type) and issubclass(found, Flavor)):
            raise ConfigError(f"{shown(stack.sidecar)}: {declared.source} is not a ZenML flavor")
        flavor = found()
        if flavor.type.value != declared.type:
            raise ConfigError(
                f"{shown(stack.sidecar)}: {declared.source} is a {flavor.type.value}, not a {declared.type}"
            )
        if (declared.type, flavor.name) in flavors:
            raise ConfigError(f"{shown(stack.sidecar)}: {declared.source}: {flavor.name!r} is declared twice")
        flavors[declared.type, flavor.name] = flavor
    return flavors


def _stored(component: ComponentSpec, stack: Stack, own: Mapping[tuple[str, str], Flavor]) -> dict[str, Any]:
    from zenml.exceptions import ZenMLBaseException

    flavor = own.get((component.type, component.flavor)) or _flavor(component, own)
    model = flavor.config_class
    for path, allowed in _unknown(component.configuration, model):
        raise ConfigError(
            f"{component.line(*path)}: unknown key {'.'.join(map(str, path))!r} for the {component.flavor} "
            f"{component.type}{did_you_mean(str(path[-1]), sorted(allowed))}"
        )
    _refuse_plain_secrets(component, stack, model)
    # ZenML resolves a reference whenever a validator reads it, which needs the secret's server: hide them meanwhile.
    references = {key: component.configuration[key] for key, _, _ in secret_references(component.configuration)}
    try:
        validated = model(**{**component.configuration, **dict.fromkeys(references, "reference")})
    except ValidationError as error:
        at, problems = next(iter(places(error.errors(), component.configuration).items()))
        raise ConfigError(f"{component.line(*at)}: {_told(at, problems)}") from None
    except (ValueError, ZenMLBaseException) as error:
        raise ConfigError(f"{component.line()}: {error}") from None
    return {**validated.model_dump(mode="json", exclude_unset=True), **references}


def _told(at: Path_, problems: Sequence[Any]) -> str:
    key, problem = ".".join(map(str, at)), problems[0]
    if problem["type"] == "missing":
        return f"{key!r} is missing"
    if problem["type"] == "value_error":
        what = f"{key!r} is {written(problem['input'])}: " if key else ""
        return f"{what}{problem['msg'].removeprefix('Value error, ')}"
    return f"{key!r} is {written(problem['input'])}, expected {expected(problems)}"


def _flavor(component: ComponentSpec, own: Mapping[tuple[str, str], Flavor]) -> Flavor:
    from zenml.stack.flavor_registry import FlavorRegistry

    registry = FlavorRegistry()
    known = [name for kind, name in own if kind == component.type]
    for source in ("builtin_flavors", "integration_flavors"):
        for flavor in (flavor_class() for flavor_class in getattr(registry, source)):
            if flavor.type.value != component.type:
                continue
            if flavor.name == component.flavor:
                return flavor  # type: ignore[no-any-return]
            known.append(flavor.name)
    raise ConfigError(
        f"{component.line('flavor')}: unknown {component.type} flavor {component.flavor!r}"
        f"{did_you_mean(component.flavor, known)}"
    )


def _refuse_plain_secrets(component: ComponentSpec, stack: Stack, model: type[StackComponentConfig]) -> None:
    from zenml.utils.secret_utils import is_secret_field

    references = {key for key, _, _ in secret_references(component.configuration)}
    for key, value in component.configuration.items():
        if value is not None and key not in references and is_secret_field(model.model_fields[key]):
            raise ConfigError(
                f"{component.line(key)}: {key!r} is a secret and must be a reference, not a value",
                f"write '{{{{SECRET.KEY}}}}' and declare it under 'secrets' in {shown(stack.sidecar)}",
            )


def _unknown(value: Mapping[str, Any], model: type[BaseModel], at: Path_ = ()) -> Iterator[tuple[Path_, set[str]]]:
    """Paths of keys that no field has; ZenML's nested settings allow extra keys and drop them."""
    for key, inner in value.items():
        path = (*at, key)
        field = model.model_fields.get(key)
        if field is None:
            yield path, set(model.model_fields)
        elif isinstance(inner, dict):
            nested = _model(field.annotation)
            allowed = _passed_on(path) if nested is None else None
            if nested is not None:
                yield from _unknown(inner, nested, path)
            elif allowed is not None:
                yield from (((*path, name), set(allowed)) for name in inner if name not in allowed)


def _passed_on(path: Path_) -> frozenset[str] | None:
    match path[-1]:
        case "client_kwargs":
            return _BOTO_CLIENT
        case "additional_pod_spec_args":
            return frozenset(_kubernetes_fields("V1PodSpec"))
        case "container_security_context":  # sent as it stands, so in the API's own spelling
            return frozenset(_kubernetes_fields("V1SecurityContext").values())
        case "resources":
            return frozenset(_kubernetes_fields("V1ResourceRequirements"))
        case _:
            return None


def _kubernetes_fields(name: str) -> dict[str, str]:
    models = importlib.import_module("kubernetes.client.models")
    fields: dict[str, str] = getattr(models, name).attribute_map
    return fields


def _model(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
