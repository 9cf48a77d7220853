"""`${VAR}`, `${VAR:-default}` and `${VAR:?message}` in a stack file; `$$` is a dollar sign."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from project.errors import ConfigError
from project.strict_yaml import Path_

_REFERENCE = re.compile(
    r"\$\$|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}|(?P<broken>[^}]*\}?))"
)


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that a stack file needs and the environment does not have.

    Args:
        variable: Its name.
        where: `file:line` of the first use.
        message: What the file says it is for, or nothing.
    """

    variable: str
    where: str
    message: str


def resolve(
    value: Any, environment: Mapping[str, str], where: Callable[[Path_], str], at: Path_ = ()
) -> tuple[Any, list[Missing]]:
    """Replace every reference in the strings of a plain YAML value.

    Args:
        value: A tree of mappings, lists and scalars; keys are left alone.
        environment: The variables; one that is empty counts as not set, as in the shell's `:-` and `:?`.
        where: Gives `file:line` for a path inside `value`.
        at: The path of `value` itself.

    Returns:
        The tree with its references replaced, and the variables that were not set.

    Raises:
        ConfigError: A `${` does not begin a reference.
    """
    match value:
        case dict():
            parts = {key: resolve(inner, environment, where, (*at, key)) for key, inner in value.items()}
            return {key: part for key, (part, _) in parts.items()}, [m for _, ms in parts.values() for m in ms]
        case list():
            items = [resolve(inner, environment, where, (*at, index)) for index, inner in enumerate(value)]
            return [item for item, _ in items], [m for _, ms in items for m in ms]
        case str():
            return _resolve_text(value, environment, where(at))
        case _:
            return value, []


def or_refuse(missing: list[Missing]) -> None:
    """Raise one `ConfigError` that names every variable to set.

    Raises:
        ConfigError: `missing` is not empty.
    """
    if not missing:
        return
    first = missing[0]
    names = list(dict.fromkeys(item.variable for item in missing))
    others = f" (nor {', '.join(names[1:])})" if names[1:] else ""
    reason = f": {first.message}" if first.message else ""
    raise ConfigError(
        f"{first.where}: the variable {first.variable} is not set{others}{reason}",
        f"export {' '.join(f'{name}=…' for name in names)}",
    )


def _resolve_text(text: str, environment: Mapping[str, str], where: str) -> tuple[str, list[Missing]]:
    missing: list[Missing] = []

    def replacement(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        name = match.group("name")
        if name is None:
            raise ConfigError(
                f"{where}: {match.group()!r} is not a variable",
                "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ for a dollar sign",
            )
        found = environment.get(name, "")
        if not found and match.group("kind") == "-":
            return match.group("word")
        if not found:
            missing.append(Missing(name, where, (match.group("word") or "").strip()))
        return found

    return _REFERENCE.sub(replacement, text), missing
