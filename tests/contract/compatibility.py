"""Which changes from one OpenAPI document to the next break a client that was written for the first.

One question decides about schemas: does every value of the one fit the other? Of a request, whatever the old document
allowed must fit the new one; of a response, whatever the new one may send must fit the old one. The comparison is by
structure: where it can not tell that a value fits, it says that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
LOWER, UPPER = ("minimum", "minItems", "minLength"), ("maximum", "maxItems", "maxLength")


def breaking_changes(old: Document, new: Document) -> list[str]:
    """Every change that breaks a client, with where it is."""
    return [
        change
        for path, item in old["paths"].items()
        for method in METHODS
        if method in item
        for change in _operation(old, new, f"{method.upper()} {path}", item[method], new["paths"].get(path, {}))
    ]


def _operation(old: Document, new: Document, where: str, before: Document, item: Document) -> Iterator[str]:
    after = item.get(where.partition(" ")[0].lower())
    if after is None:
        yield f"{where}: removed"
        return
    requests, responses = Fit(old, new, "new"), Fit(new, old, "old")
    for said in ("operationId", "x-scope"):
        if said in before and before[said] != after.get(said):
            yield f"{where}: {said} was {before[said]}, is {after.get(said)}"
    if after.get("security") and not before.get("security"):
        yield f"{where}: needs a key"
    yield from _parameters(requests, where, before, after)
    yield from _body(requests, where, before.get("requestBody", {}), after.get("requestBody", {}))
    for status, response in before["responses"].items():
        here = f"{where} {status}"
        if status not in after["responses"]:
            yield f"{here}: removed"
            continue
        promised, sent = old_and_new = (_resolved(old, response), _resolved(new, after["responses"][status]))
        for part in ("content", "headers"):
            for name in promised.get(part, {}).keys() - sent.get(part, {}).keys():
                yield f"{here}: {name} removed"
        for media in promised.get("content", {}).keys() & sent.get("content", {}).keys():
            schemas = [each["content"][media]["schema"] for each in old_and_new]
            yield from responses.misfits(schemas[1], schemas[0], here)


def _parameters(requests: Fit, where: str, before: Document, after: Document) -> Iterator[str]:
    old, new = (
        {(each["in"], each["name"]): each for each in operation.get("parameters", [])} for operation in (before, after)
    )
    for key in old.keys() - new.keys():
        yield f"{where}: parameter {key[1]} removed"
    for key, parameter in new.items():
        here = f"{where}: parameter {key[1]}"
        if parameter.get("required") and not old.get(key, {}).get("required"):
            yield f"{here} required"
        if key in old:
            yield from requests.misfits(old[key]["schema"], parameter["schema"], here)


def _body(requests: Fit, where: str, before: Document, after: Document) -> Iterator[str]:
    if after.get("required") and not before.get("required"):
        yield f"{where}: body required"
    for media, content in before.get("content", {}).items():
        if media not in after.get("content", {}):
            yield f"{where}: {media} no longer taken"
        else:
            yield from requests.misfits(content["schema"], after["content"][media]["schema"], f"{where} body")


@dataclass(frozen=True)
class Fit:
    """Whether the values of a schema of one document fit one of another."""

    given: Document
    taking: Document
    newer: str
    """Which document is the new one: `new` where `taking` is, else `old`."""
    _compared: set[tuple[str, str]] = field(default_factory=set)

    def misfits(self, given: Document, taking: Document, where: str) -> Iterator[str]:
        """Why a value of `given` may not fit `taking`; nothing where every value does."""
        pair = (given.get("$ref", ""), taking.get("$ref", ""))
        if all(pair):
            if pair in self._compared:
                return
            self._compared.add(pair)
        given, taking = _resolved(self.given, given), _resolved(self.taking, taking)
        options = [_resolved(self.taking, option) for option in taking.get("anyOf", [taking])]
        for part in given.get("anyOf", [given]):
            each = _resolved(self.given, part)
            found = [(_types(each) & _types(option), list(self._plain(each, option, where))) for option in options]
            if all(reasons for _, reasons in found):
                # Those of the alternative that was most likely meant.
                yield from min(found, key=lambda one: (not one[0], len(one[1])))[1]

    def _plain(self, given: Document, taking: Document, where: str) -> Iterator[str]:
        """As `misfits`, of schemas without alternatives."""
        allowed = _values(taking)
        if allowed is not None:
            values = _values(given)
            if values is None:
                yield f"{where}: only {allowed} fit"
            else:
                yield from (f"{where}: {value!r} does not fit" for value in values if not _among(value, allowed))
            return
        if not _types(given) <= _types(taking):
            yield f"{where}: {' or '.join(sorted(_types(given)))} does not fit {' or '.join(sorted(_types(taking)))}"
            return
        yield from (
            f"{where}: {name}" for name in LOWER if _limit(given, name, -math.inf) < _limit(taking, name, -math.inf)
        )
        yield from (
            f"{where}: {name}" for name in UPPER if _limit(given, name, math.inf) > _limit(taking, name, math.inf)
        )
        yield from self._array(given, taking, where)
        yield from self._object(given, taking, where)

    def _array(self, given: Document, taking: Document, where: str) -> Iterator[str]:
        fixed = zip(given.get("prefixItems", []), taking.get("prefixItems", []), strict=False)
        for number, (one, other) in enumerate(fixed):
            yield from self.misfits(one, other, f"{where}[{number}]")
        lengths = len(given.get("prefixItems", [])), len(taking.get("prefixItems", []))
        if lengths[0] != lengths[1]:
            yield f"{where}: {lengths[0]} items do not fit {lengths[1]}"
        one, other = given.get("items") or {}, taking.get("items") or {}
        if "items" in taking and (one or other):
            yield from self.misfits(one, other, f"{where}[]")

    def _object(self, given: Document, taking: Document, where: str) -> Iterator[str]:
        for name in set(taking.get("required", [])) - set(given.get("required", [])):
            yield f"{where}.{name}: {'required' if self.newer == 'new' else 'may be missing'}"
        ours, theirs = given.get("properties", {}), taking.get("properties", {})
        gone = ours.keys() - theirs.keys() if self.newer == "new" else theirs.keys() - ours.keys()
        yield from (f"{where}.{name}: removed" for name in gone)
        if taking.get("additionalProperties") is False and given.get("additionalProperties") is not False:
            yield f"{where}: further fields do not fit"
        for name in ours.keys() & theirs.keys():
            yield from self.misfits(ours[name], theirs[name], f"{where}.{name}")


def _resolved(document: Document, schema: Document) -> Document:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _values(schema: Document) -> list[Any] | None:
    """The values of an enumeration."""
    if "const" in schema:
        return [schema["const"]]
    found: list[Any] | None = schema.get("enum")
    return found


def _among(value: Any, allowed: list[Any]) -> bool:
    """As JSON has it: 1 is not true."""
    return any(each == value and isinstance(each, bool) is isinstance(value, bool) for each in allowed)


def _types(schema: Document) -> set[str]:
    """The JSON types that a schema lets through."""
    values = _values(schema)
    if values is not None:
        return {kind for value in values for kind in _types_of(value)}
    kinds = schema.get("type", ["null", "boolean", "object", "array", "number", "string"])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found | {"integer"} if "number" in found else found


def _types_of(value: Any) -> set[str]:
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return {kinds.get(type(value), "object")}


def _limit(schema: Document, name: str, without: float) -> float:
    """A limit; of an enumeration of numbers, its own least or greatest."""
    numbers = [each for each in _values(schema) or [] if isinstance(each, int | float) and not isinstance(each, bool)]
    if numbers and name in ("minimum", "maximum"):
        return min(numbers) if name == "minimum" else max(numbers)
    return float(schema.get(name, without))
