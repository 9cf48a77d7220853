"""Where and when a bundle was made: beside its content, outside its digest."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

from project.paths import ROOT


def provenance(run_id: str) -> dict[str, str]:
    """Commit of the working tree (`unknown` outside git, `+changes` where files differ), run id and time in UTC."""
    return {"commit": _commit(), "zenml_run": run_id, "created": datetime.now(UTC).isoformat(timespec="seconds")}


def _commit() -> str:
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()
