"""Where and when a bundle was made: beside its content, outside its digest."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

from project.errors import ConfigError
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


def file_at(revision: str, path: str) -> str:
    """A file of this tree as it was at a revision.

    Raises:
        ConfigError: There is no git here, no such revision, or no such file in it.
    """
    try:
        return _git("show", f"{revision}:{path}") + "\n"
    except (OSError, subprocess.CalledProcessError):
        raise ConfigError(f"git has no {path} at {revision!r}", f"git log --oneline -- {path}") from None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()
