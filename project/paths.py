"""Where the project's files lie, relative to its root."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
CONTRACTS = CONFIGS / "datasets"
STACKS = ROOT / "stacks"
ENDPOINTS = ROOT / ".endpoints"
REPORTS = ROOT / "reports"
