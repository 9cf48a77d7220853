"""From the schema of a field to its Python declaration."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from client.messages import Row

Code: TypeAlias = int | str
WHOLE = 2**53
"""Limits from here on are those of the number format, not of the contract."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One field of the generated class."""

    code: str
    """`name: type`, with its default if it may be left out."""
    doc: str
    enum: str
    """Source of the enum of its codes; empty where it has none."""


def declare(name: str, schema: Mapping[str, Any], required: bool, taken: set[str]) -> Declaration:
    """Declare a field of a row.

    Args:
        name: The column.
        schema: Its schema in the OpenAPI document.
        required: Whether it must be there.
        taken: Names that are in use in the module; those of the field and of its enum are added.
    """
    parts = schema.get("anyOf", [schema])
    missing = [code for code in schema.get("x-missing", []) if isinstance(code, Code)]  # no float is a `Literal`
    values = [value for part in parts for value in part.get("enum", [])]
    codes = [code for code in values if code is not None and not isinstance(code, bool) and code not in missing]
    number = next((part for part in parts if "minimum" in part), None)
    enum = ""
    if number:
        kind = _number(number)
    elif any(value is True for value in values) and not schema.get("x-labels"):
        kind = "bool"
    elif len({type(code) for code in codes}) == 1:
        kind = _free(_words(schema["title"], str.title) or "Code", taken)
        labels = schema.get("x-labels", {})
        enum = enumeration(kind, {code: labels.get(str(code), str(code)) for code in codes}, schema["title"])
    else:
        kind = _literal(codes)
    if missing and not required:
        kind += f" | {_literal(missing)}"
    attribute = _free(_attribute(name), taken)
    default = ""
    if not required:
        kind, default = f"{kind} | None", " = None"
    if attribute != name:
        kind = f"Annotated[{kind}, Field(alias={text(name)})]"
    return Declaration(f"{attribute}: {kind}{default}", schema["description"], enum)


def enumeration(name: str, members: Mapping[Code, str], about: str) -> str:
    """The source of an enum.

    Args:
        name: Of the class.
        members: Codes with what they mean.
        about: Its docstring.
    """
    base = "StrEnum" if all(isinstance(code, str) for code in members) else "IntEnum"
    taken: set[str] = {"MRO", "NAME", "VALUE"}
    lines = [
        f"    {_free(_words(label, str.upper, '_') or 'CODE', taken)} = {_value(code)}"
        for code, label in members.items()
    ]
    return "\n".join([f"class {name}({base}):", f"    {docstring(f'{about}.')}", "", *lines])


def class_name(name: str) -> str:
    """`heart_disease` as `HeartDisease`."""
    return _words(name, str.title) or "Model"


def text(value: str) -> str:
    """A string literal on one line."""
    escaped = "".join(
        f"\\{each}" if each in '\\"' else each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in value
    )
    return f'"{escaped}"'


def docstring(value: str) -> str:
    """A docstring on one line."""
    return f'""{text(value)}""'


def _value(code: Code) -> str:
    return text(code) if isinstance(code, str) else repr(code)


def _literal(codes: Sequence[Code]) -> str:
    return f"Literal[{', '.join(map(_value, codes))}]"


def _number(schema: Mapping[str, Any]) -> str:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    kind = "int" if "integer" in kinds else "float"
    limits = (("ge", schema["minimum"]), ("le", schema["maximum"]))
    listed = "".join(f", {name}={limit!r}" for name, limit in limits if abs(limit) < WHOLE)
    return f"Annotated[{kind}, Field(strict=True{listed})]"


def _attribute(name: str) -> str:
    """The field's name in Python; pydantic's own names are not to be had."""
    plain = re.sub(r"\W", "_", name).strip("_")
    if not plain or not (plain[0].isalpha() and plain.isidentifier()):
        plain = f"field_{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) or hasattr(Row, plain) else plain


def _words(label: str, case: Any, between: str = "") -> str:
    """A label's words as one name; nothing where none is left."""
    joined = between.join(case(word) for word in re.findall(r"[^\W_]+", label))
    return joined if joined[:1].isalpha() or not joined else f"{case('code')}{between}{joined}"


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number behind it where it is taken."""
    found, number = name, 1
    while found in taken or keyword.iskeyword(found):
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found
