"""Which Python runs this, and how its commands are typed in the shell at hand."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

from project.errors import ConfigError

_COMMANDS = re.compile(r"(?<![\w./-])(python|zenml|mlflow)(?= (?:run\.py|login|logout|stack|ui)\b)")


def lacking(error: ModuleNotFoundError) -> ConfigError:
    """What to say where the running Python does not have what the project needs."""
    again = shlex.join([".venv/bin/python", "run.py", *sys.argv[1:]])
    return ConfigError(f"{sys.executable} has no package {error.name!r}", f"{again}; 'make run' sets that Python up")


def typed(text: str) -> str:
    """A text for people, its commands as they must be typed here: `python` may be another one in this shell, or none.

    Args:
        text: With commands as they read where the environment is active: `python run.py`, `zenml login`, `mlflow ui`.
    """
    return _COMMANDS.sub(lambda match: _typed(match[1]), text)


def _typed(name: str) -> str:
    found, ours = shutil.which(name), Path(sys.executable).with_name(name)
    if not ours.exists() or (found is not None and Path(found).parent == ours.parent):
        return name
    return str(ours.relative_to(Path.cwd()) if ours.is_relative_to(Path.cwd()) else ours)
