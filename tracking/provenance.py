"""Where and when a bundle was made: beside its content, outside its digest."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

from project.paths import ROOT


def provenance(run_id: str, commit: str, data_md5: str) -> dict[str, str]:
    """What stands beside a bundle.

    Args:
        run_id: Of the ZenML run.
        commit: `commit()` of the tree that started the run.
        data_md5: What DVC knows the data's files by: `dvc.lock` of that commit says the same of their folder.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {"commit": commit, "zenml_run": run_id, "created": created, "data_md5": data_md5}


def commit() -> str:
    """Commit of this tree, `+changes` where files differ from it; `unknown` outside git, as in a pod."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()
