"""The first journey of a fresh project, run once and looked at by many tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.project_copy import Done, Project


@dataclass(frozen=True, slots=True)
class Journey:
    """A project after its first `run.py --stack local`, and what that said."""

    project: Project
    done: Done

    @property
    def found(self) -> dict[str, Any]:
        """The JSON document it printed."""
        document: dict[str, Any] = json.loads(self.done.stdout)
        return document


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """A project whose first version serves. Tests that change what serves work on `project_after_journey`."""
    project = Project.copy(tmp_path_factory.mktemp("journey"))
    done = project.journey()
    assert done.returncode == 0, done.stderr
    yield Journey(project, done)
    project.close()
