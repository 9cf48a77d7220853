"""What a typed schema finds wrong with a file, in the words of the file instead of pydantic's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Place = tuple[str | int, ...]
_EXPECTED = {
    "bool": "true or false",
    "dict": "keys and values",
    "finite_number": "a finite number",
    "float": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int": "a whole number",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "list": "a list",
    "model": "keys and values",
    "string": "text",
    "string_pattern_mismatch": "text of the form {pattern}",
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "{max_length} or fewer characters",
    "too_long": "{max_length} or fewer entries",
    "too_short": "{min_length} or more entries",
}
"""By pydantic's type of error, or the part of it before `_type`, `_parsing` or `_from_float`."""


def places(problems: Sequence[Any], value: object) -> dict[Place, list[Any]]:
    """Problems by where they stand in the file, an unknown key before anything it may have caused.

    Of a value that may be one of several things, pydantic tells what hinders each, under names that are in no file.

    Args:
        problems: What `ValidationError.errors()` gives.
        value: What was validated.

    Returns:
        For each path of the file its problems; where a part of a value is wrong, the value is not told of again.
    """
    found: dict[Place, list[Any]] = {}
    for problem in sorted(problems, key=lambda problem: problem["type"] != "extra_forbidden"):
        found.setdefault(_place(problem, value), []).append(problem)
    return {at: each for at, each in found.items() if not any(o[: len(at)] == at and o != at for o in found)}


def expected(problems: Sequence[Any]) -> str:
    """What may stand where these problems are: `a whole number or text`."""
    return " or ".join(dict.fromkeys(_expected(problem) for problem in problems))


def choices(problem: Any) -> list[str]:
    """The words that are allowed, if it is one of a few words that must stand there."""
    context = problem.get("ctx", {})
    return re.findall(r"'([^']*)'", str(context.get("expected_tags") or context.get("expected") or ""))


def written(value: object) -> str:
    """A value as it could stand in the file, shortened."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}.get(text, text)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _place(problem: Any, value: object) -> Place:
    location, found = problem["loc"], []
    for index, part in enumerate(location):
        there = _has(value, part)
        if there:
            value = value[part]  # type: ignore[index]  # as just seen
        if there or (problem["type"] == "missing" and index == len(location) - 1):
            found.append(part)
    if problem["type"] == "union_tag_invalid":
        found.append(problem["ctx"]["discriminator"].strip("'"))
    return tuple(found)


def _has(value: object, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _expected(problem: Any) -> str:
    kind = re.sub("_(type|parsing|from_float)$", "", problem["type"])
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**problem.get("ctx", {}))
    return f"{problem['msg'][0].lower()}{problem['msg'][1:]}".removeprefix("input should be ")
