"""Where the project's files lie, relative to its root."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
CONTRACTS = CONFIGS / "datasets"
STACKS = ROOT / "stacks"
ENDPOINTS = ROOT / ".endpoints"
REPORTS = ROOT / "reports"
NAME = re.compile("[a-z](?:[a-z0-9_]{0,38}[a-z0-9])?")
"""A data set's name, and so that of its contract, model and endpoint: nothing that leads out of a folder.

Its end is that of a Kubernetes name, in which each `_` is a `-`."""


def from_root(path: str) -> str:
    """A path that was typed in any folder, as a contract says it: below the project from its root, else whole.

    An address (`s3://…`) is said as it is.
    """
    if "://" in path:
        return path
    whole = Path(path).resolve()
    return str(whole.relative_to(ROOT) if whole.is_relative_to(ROOT) else whole)
