"""The first journey of a fresh project, run once and looked at by many tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.integration.forked import Forks
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
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Starts the commands of every project copy; a test of imports or of a first run starts processes of its own."""
    forks = Forks(tmp_path_factory.mktemp("forks"))
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Journey]:
    """A project whose first version serves; its first run was a process of its own, as a user starts it."""
    project = Project.copy(tmp_path_factory.mktemp("journey"))
    done = project.journey()
    assert done.returncode == 0, done.stderr
    yield Journey(replace(project, forks=forks), done)
    project.close()
