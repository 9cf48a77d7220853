"""Where this tree last deployed, so that `status` or `rollback` in another shell asks the same place without ZenML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deployers.backends import backend
from deployers.interface import Deployer
from deployers.local.lock import waiting
from deployers.record import write_json
from project.errors import ConfigError
from project.paths import ENDPOINTS

FILE = "stacks.json"
LOCK = ".stacks.lock"


@dataclass(frozen=True, slots=True)
class Place:
    """A stack's model deployer; its configuration holds addresses and names, and no secret."""

    stack: str
    flavor: str
    configuration: Mapping[str, Any]

    def deployer(self) -> Deployer:
        """The backend; see `deployers.backends.backend`."""
        return backend(self.flavor, self.configuration, self.stack)


def remember(place: Place, folder: Path = ENDPOINTS) -> None:
    """Keep a place as the latest."""
    with waiting(folder / LOCK):  # else of two deployments that end at once one forgets the other
        others = [each for each in _known(folder) if each.stack != place.stack]
        write_json(folder / FILE, [asdict(each) for each in (*others, place)])


def recall(stack: str | None = None, folder: Path = ENDPOINTS) -> Place | None:
    """The latest place, or that of a stack; None where this tree has not deployed there.

    Raises:
        ConfigError: The file is damaged.
    """
    found = [each for each in _known(folder) if stack in (None, each.stack)]
    return found[-1] if found else None


def _known(folder: Path) -> list[Place]:
    path = folder / FILE
    try:
        return [Place(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is damaged: {error}", f"rm {path}, and name the stack: --stack S") from None
