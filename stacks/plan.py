"""One planned write: the differences it removes and the call that removes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stacks.changes import Change

MANAGED_BY = "managed_by"
OURS = {MANAGED_BY: "run.py stack apply"}


@dataclass(frozen=True, slots=True)
class Planned:
    """Differences of one part, and what brings the part in line.

    Args:
        changes: At least one difference.
        write: Removes them; called only when no part has an unsafe one.
    """

    changes: list[Change]
    write: Callable[[], object]
