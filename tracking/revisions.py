"""Files of this tree as they were at a revision of git, the ones that DVC keeps included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from project.errors import ConfigError
from project.paths import ROOT


def file_at(revision: str, path: str) -> bytes:
    """A file of this tree as git has it at a revision.

    Raises:
        ConfigError: There is no git here, no such revision, or no such file in it.
    """
    try:
        command = ["git", "-C", str(ROOT), "show", f"{revision}:{path}"]
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise ConfigError(f"git has no {path} at {revision!r}", f"git log --oneline -- {path}") from None


def fetch_file(revision: str, path: str, folder: Path) -> Path:
    """Write a file as it was at a revision into a folder, from git or else from DVC's cache or remote.

    Raises:
        ConfigError: Neither has it.
    """
    target = folder / Path(path).name
    try:
        target.write_bytes(file_at(revision, path))
    except ConfigError as error:
        get = [sys.executable, "-m", "dvc", "get", "--quiet", "--rev", revision, "--out", str(target)]
        if subprocess.run([*get, str(ROOT), path], check=False, capture_output=True).returncode:
            raise ConfigError(f"{error.cause}, and DVC has none", "dvc pull --all-commits, or name another") from None
    return target
