"""Read a YAML file into a typed model, or say in one line what is wrong and on which line.

ZenML ignores an unknown key without a word and then trains another model than the one configured;
here every unknown key, missing key and wrong type is a `ConfigError` with file, line and a near name.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from project.errors import ConfigError
from project.wording import choices, expected, places, written

Path_ = tuple[str | int, ...]
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader in C, ten times faster, where PyYAML was built with it."""


class Strict(BaseModel):
    """Base of all configuration: frozen, no unknown keys, no silent conversion of types, no NaN or infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=BaseModel)


def read_yaml(path: Path, model: type[ModelT]) -> ModelT:
    """Read one YAML file into `model`.

    Args:
        path: The file.
        model: The typed schema; usually a subclass of `Strict`.

    Returns:
        The validated model.

    Raises:
        ConfigError: The file is missing, empty, not YAML, repeats a key or does not fit the schema.
    """
    value, lines = read_tree(path)
    return validate(value, model, path, lines)


def read_tree(path: Path) -> tuple[dict[str, Any], dict[Path_, int]]:
    """Read a YAML mapping and the line of each of its keys.

    Returns:
        The plain value, and for each key path (`("features", 0, "type")`) its line, counted from 1.

    Raises:
        ConfigError: The file is missing, unreadable, empty, not YAML, not a mapping, or repeats a key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = difflib.get_close_matches(path.stem, [p.stem for p in path.parent.glob("*.yaml")], n=1)
        what = f"{shown(path)} does not exist{f'; did you mean {near[0]!r}?' if near else ''}"
        raise ConfigError(what, "restore it, or correct its name") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{shown(path)} can not be read: {error}", "save it as text in UTF-8") from None
    try:
        loader = LOADER(text)
        node = loader.get_single_node()
        lines = dict(_lines(node, (), path)) if node is not None else {}
        value = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{shown(path)}:{line} is not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2024-13-01 is a ValueError
        raise ConfigError(f"{shown(path)} is not YAML: {error}") from None
    except RecursionError:
        what = f"{shown(path)} is nested too deeply, or an alias stands inside of what it names"
        raise ConfigError(what) from None
    if not isinstance(value, dict):
        found = "empty" if value is None else "a list" if isinstance(value, list) else written(value)
        raise ConfigError(f"{shown(path)} is {found}, expected a mapping of keys to values")
    return value, lines


def validate(
    value: Mapping[str, Any], model: type[ModelT], path: Path, lines: Mapping[Path_, int] | None = None
) -> ModelT:
    """Validate a plain value against `model`; `path` and `lines` locate the first problem.

    Raises:
        ConfigError: The value does not fit; an unknown key is named before anything it may have caused.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        misplaced = places(error.errors(), value)
        location, problems = next(iter(misplaced.items()))
        at = _line_of(location, lines or {})
        more = f" (and {len(misplaced) - 1} more)" if len(misplaced) > 1 else ""
        raise ConfigError(f"{shown(path)}{at}: {_sentence(location, problems, model)}{more}") from None


def misfits(found: Sequence[tuple[Path_, str]]) -> ValidationError:
    """What a validator of a whole model raises, so that each problem is told with its own line.

    Args:
        found: For each problem its path below the model, and a sentence.
    """
    problems = [
        InitErrorDetails(type=PydanticCustomError("value_error", "{message}", {"message": message}), loc=at, input=None)
        for at, message in found
    ]
    return ValidationError.from_exception_data("disagreement", problems)


def shown(path: Path) -> str:
    """A path as a user would type it: relative to the working directory where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def did_you_mean(name: str, allowed: Sequence[str]) -> str:
    """`; did you mean 'x'?` for a near name, else the allowed names (at most twelve)."""
    near = difflib.get_close_matches(name, allowed, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; allowed: {', '.join(sorted(allowed)[:12])}{', …' if len(allowed) > 12 else ''}"


def _lines(node: yaml.Node, at: Path_, path: Path) -> Iterator[tuple[Path_, int]]:
    yield at, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"{shown(path)}:{line}: a key is a word, not a list or mapping")
            if key.value in seen:
                raise ConfigError(
                    f"{shown(path)}:{line}: key {key.value!r} was given before, on line {seen[key.value]}"
                )
            seen[key.value] = line
            yield from _lines(child, (*at, key.value), path)
            yield (*at, key.value), line
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            yield from _lines(child, (*at, index), path)


def _line_of(location: Path_, lines: Mapping[Path_, int]) -> str:
    """`:12` for the deepest part of the location that stands in the file (union tags do not)."""
    known: Path_ = ()
    for part in location:
        if (*known, part) in lines:
            known = (*known, part)
    return f":{lines[known]}" if known in lines else ""


def _sentence(location: Path_, problems: Sequence[Any], model: type[BaseModel]) -> str:
    problem = problems[0]
    where = ".".join(str(part) for part in location) or "the file"
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key {where!r}{did_you_mean(str(location[-1]), sorted(_siblings(model, location)))}"
        case "missing":
            return f"{where!r} is missing"
        case "union_tag_not_found":
            tag = problem["ctx"]["discriminator"].strip("'")
            near = difflib.get_close_matches(tag, [str(key) for key in problem["input"]], n=1)
            missing = f"'{where}.{tag}' is missing"
            return f"unknown key '{where}.{near[0]}'; did you mean {tag!r}?" if near else missing
        case "union_tag_invalid" | "literal_error":
            word = problem["input"] if problem["type"] == "literal_error" else problem["ctx"]["tag"]
            return f"{where!r} is {written(word)}{did_you_mean(str(word), choices(problem))}"
        case "value_error" | "assertion_error":
            message = problem["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
            return f"{where}: {message}" if location else message
        case _:
            return f"{where!r} is {written(problem['input'])}, expected {expected(problems)}"


def _siblings(model: type[BaseModel], location: Path_) -> set[str]:
    """The keys allowed beside an unknown one: fields of every model its location may stand in."""
    candidates: list[Any] = [model]
    for part in location[:-1]:
        candidates = [inner for candidate in candidates for inner in _step(candidate, part)]
    return {
        field.alias or name
        for candidate in candidates
        for leaf in _models(candidate)
        for name, field in leaf.model_fields.items()
    }


def _step(annotation: Any, part: str | int) -> list[Any]:
    found: list[Any] = []
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            fields = {field.alias or name: field for name, field in option.model_fields.items()}
            if part in fields:
                found.append(fields[str(part)].annotation)
        elif get_origin(option) in (dict, Mapping):
            found.append(get_args(option)[1])
        elif get_origin(option) in (list, tuple, Sequence) and isinstance(part, int):
            found.append(get_args(option)[0])
    return found


def _options(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return [inner for option in get_args(annotation) for inner in _options(option)]
    if hasattr(annotation, "__metadata__"):
        return _options(get_args(annotation)[0])
    return [annotation]


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [o for o in _options(annotation) if isinstance(o, type) and issubclass(o, BaseModel)]
