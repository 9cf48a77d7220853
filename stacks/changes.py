"""What differs between a stack's files and what is registered: plain data, and the text of a diff."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

ABSENT = "absent"


class Action(StrEnum):
    """What `apply` does about a difference."""

    CREATE = "create"
    UPDATE = "update"
    UNSAFE = "unsafe"


_SIGN = {Action.CREATE: "+", Action.UPDATE: "~", Action.UNSAFE: "!"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between the declared and the registered stack.

    Args:
        action: What `apply` does about it.
        part: What it is about: `stack local`, `experiment_tracker local`, `secret minikube-mlflow`.
        key: Where in the part, dotted; empty for the part as a whole.
        registered: The value in the ZenML server, `absent` if there is none.
        declared: The value in the files, `absent` if there is none.
        reason: Why an unsafe change is refused.
    """

    action: Action
    part: str
    key: str = ""
    registered: Any = ABSENT
    declared: Any = ABSENT
    reason: str = ""

    def line(self) -> str:
        """The difference as one line of a diff."""
        if not self.key:
            return f"{_SIGN[self.action]} {self.part}{f'  ({self.reason})' if self.reason else ''}"
        values = f"{_shown(self.registered)} -> {_shown(self.declared)}"
        return f"{_SIGN[self.action]} {self.part}: {self.key}: {values}{f'  ({self.reason})' if self.reason else ''}"

    def as_dict(self) -> dict[str, Any]:
        """The difference as `--json` prints it."""
        return {**asdict(self), "action": self.action.value}


def diff_text(changes: Sequence[Change]) -> str:
    """All differences, one a line: `+` create, `~` update in place, `!` refused."""
    return "\n".join(change.line() for change in changes)


def differing_keys(registered: Any, declared: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Walk two configurations; yield (dotted key, registered, declared) for each leaf that differs."""
    if isinstance(registered, Mapping) and isinstance(declared, Mapping):
        for key in [*registered, *(key for key in declared if key not in registered)]:
            yield from differing_keys(registered.get(key, ABSENT), declared.get(key, ABSENT), (*at, str(key)))
    elif registered != declared:
        yield ".".join(at), registered, declared


def _shown(value: Any) -> str:
    return value if value == ABSENT and isinstance(value, str) else repr(value)
