"""What changed between two versions of a contract, and whether rows that passed the first may fail the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from project.errors import Refused
from tabular.bundle import Bundle
from tabular.columns import Feature
from tabular.contract import Contract


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a contract that is not what it was."""

    entry: str
    """Its path, such as `features.age.maximum`."""
    before: object
    """None where there was none."""
    after: object
    """None where there is none any more."""
    stricter: bool
    """Whether rows or requests that the first version takes may be refused by the second."""

    def __str__(self) -> str:
        """One line: what, from what, to what."""
        effect = "   stricter" if self.stricter else ""
        return f"{self.entry:<40}{_shown(self.before)} -> {_shown(self.after)}{effect}"


def contract_changes(first: Contract, second: Contract) -> list[Change]:
    """Every entry that differs, in the order of the entries' names."""
    before, after = _entries(first), _entries(second)
    return [
        Change(entry, before.get(entry), after.get(entry), _is_stricter(entry, first, second))
        for entry in sorted({*before, *after})
        if before.get(entry) != after.get(entry)
    ]


def refuse_other_columns(contract: Contract, champion: Bundle) -> None:
    """Refuse to compare rows with a champion's where the contract has columns that it does not know.

    Raises:
        Refused: A feature is new since it was trained, or of another type.
    """
    types = {feature["name"]: feature["type"] for feature in champion.json("contract.json")["features"]}
    for name, feature in contract.features.items():
        if types.get(name) != feature.type:
            what = f"has become {feature.type}" if name in types else "is new"
            raise Refused(
                f"the contract of {contract.name} has changed since {champion.digest[:12]} was trained: {name} {what}",
                f"python run.py train --dataset {contract.name}",
            )


def _entries(contract: Contract) -> dict[str, Any]:
    """Path to value; a whole feature is one entry where the other version lacks it, so its parts stand alone here."""
    return dict(_flat(contract.model_dump(exclude={"name"}, exclude_defaults=True), ""))


def _flat(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _is_stricter(entry: str, first: Contract, second: Contract) -> bool:
    part, _, rest = entry.partition(".")
    if part == "checks":
        before, after = first.checks.model_dump()[rest], second.checks.model_dump()[rest]
        return bool(after > before) if rest.startswith("minimum") else bool(after < before)
    if part == "target":
        return rest == "column" or not set(first.target.values) <= set(second.target.values)
    if part == "reading":
        return rest != "missing" or not set(first.reading.missing) <= set(second.reading.missing)
    if part != "features":
        return False
    name, _, key = rest.rpartition(".")
    old, new = first.features.get(name), second.features.get(name)
    if new is None or old is None:
        return new is not None or old is not None  # a request that lacks or has the column is refused
    return _feature_is_stricter(key, old, new)


def _feature_is_stricter(key: str, old: Feature, new: Feature) -> bool:
    match key:
        case "minimum":
            return new.minimum is not None and (old.minimum is None or new.minimum > old.minimum)
        case "maximum":
            return new.maximum is not None and (old.maximum is None or new.maximum < old.maximum)
        case "values":
            return not set(old.codes) <= set(new.codes)
        case "nullable":
            return old.nullable and not new.nullable
        case "missing":
            return not set(old.missing) <= set(new.missing) or not new.nullable
        case "type":
            return True
    return False  # words for people


def _shown(value: object) -> str:
    return "none" if value is None else repr(value) if isinstance(value, str) else str(value)
