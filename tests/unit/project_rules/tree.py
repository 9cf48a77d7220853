"""The project's own files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from project.paths import ROOT

PACKAGES = (
    "project",
    "tabular",
    "tracking",
    "steps",
    "pipelines",
    "serving",
    "deployers",
    "stacks",
    "cli",
    "client",
    "k8s",
)


def modules(package: str) -> list[Path]:
    """The files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def module_names() -> list[str]:
    """Every module of every package, dotted; `__main__` runs when it is imported."""
    paths = (path.relative_to(ROOT) for package in PACKAGES for path in modules(package) if path.stem != "__main__")
    return [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]


@cache
def tracked() -> tuple[Path, ...]:
    """What a commit of the tree as it is would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree")
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Relative path and content of every tracked text file."""
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode("utf-8", errors="replace")
