"""Cache policies that see what a step really depends on.

ZenML's own key covers the step function alone. Here every module of the project that the step's file imports, directly
or not, and the lock are part of it, as a hash taken where a run starts: an orchestrator's own pod has no code of ours.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypedDict

from zenml.config.cache_policy import CachePolicy

from project.paths import ROOT

LOCK = "requirements.txt"
OWN = ("project", "steps", "tabular", "tracking", "deployers", "serving")


class Caching(TypedDict):
    """Options of ZenML's `step`."""

    cache_policy: CachePolicy
    environment: dict[str, str]


def on_imports(step_file: str) -> Caching:
    """Run again when the step's file, a module it stands on, the lock, an input's value or a parameter changes.

    Values count rather than artifact ids where a materializer hashes them, so that the same bundle made twice is the
    same input; where none does the id counts: left out, any rows would do. ZenML counts a step's environment, which
    is where the hash of the files stands.

    Args:
        step_file: The step's `__file__`.
    """
    digest = sha256()
    for path in sorted({*closure(Path(step_file)), LOCK}):
        digest.update(f"{path} {sha256((ROOT / path).read_bytes()).hexdigest()}\n".encode())
    environment = {"STEP_SOURCES_SHA256": digest.hexdigest()}
    return {"cache_policy": CachePolicy(include_artifact_ids=True), "environment": environment}


def closure(start: Path) -> set[str]:
    """The file and every file of the project it imports, directly or not, relative to the project."""
    found: set[Path] = set()
    waiting = [start.resolve()]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imported(path))
    return {str(path.relative_to(ROOT)) for path in found}


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(file for name in _names(tree) if (file := _file(name)) is not None)


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _file(module: str) -> Path | None:
    if module.split(".", maxsplit=1)[0] not in OWN:
        return None
    stem = ROOT.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)
