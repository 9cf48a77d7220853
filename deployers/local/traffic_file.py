"""The traffic file that the server follows: changed whole, and put back when the change fails."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from deployers.local import process
from deployers.record import prepared
from deployers.traffic import TrafficPlan
from project.errors import ProjectError

TRAFFIC, RESTORE = "traffic.json", "traffic.restore.json"
FOLLOWED = ("accepted.json", "tripped.json")
"""What the server notes beside it of the plans that it followed: of no use to the next one once it is taken down."""


@contextmanager
def switched(folder: Path, plan: TrafficPlan, places: Mapping[str, tuple[Path, str]]) -> Iterator[int]:
    """Put a traffic file in place for the block; if the block fails, the one before comes back.

    The file that undoes the change is written first, so that a full disk can not keep us from going back.

    Args:
        folder: The endpoint's.
        plan: What the server shall do.
        places: Bundle and digest by version, for every version of the plan and those kept at hand.

    Yields:
        The generation that workers confirm.
    """
    located = {version: {"path": str(path), "digest": digest} for version, (path, digest) in places.items()}
    before = _traffic(folder)
    generation = (before["generation"] if before else 0) + 1
    change = prepared(folder / TRAFFIC, {"generation": generation, "plan": plan.as_json(), "bundles": located})
    with ExitStack() as cleanup:
        cleanup.callback(change.unlink, missing_ok=True)
        undo = prepared(folder / RESTORE, {**before, "generation": generation + 1}) if before else None
        if undo is not None:
            cleanup.callback(undo.unlink, missing_ok=True)
        change.replace(folder / TRAFFIC)
        try:
            yield generation
        except BaseException:
            _undo(folder, undo, generation + 1)
            raise


def _undo(folder: Path, undo: Path | None, generation: int) -> None:
    if undo is None:
        process.stop(folder)
        for file in (TRAFFIC, *FOLLOWED):
            (folder / file).unlink(missing_ok=True)
        return
    undo.replace(folder / TRAFFIC)
    server = process.running(folder)
    if server is not None:
        process.reload(server)
        with suppress(ProjectError):  # the failure that brought us here is the one to report
            process.wait_for(folder, server, generation)


def _traffic(folder: Path) -> dict[str, Any] | None:
    """The traffic file as it stands, or None if nothing can be put back from it."""
    try:
        value = json.loads((folder / TRAFFIC).read_bytes())
        return {**value, "generation": int(value["generation"])}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
