"""The first journey of a fresh project, run once and looked at by many tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.integration.browser import Browser
from tests.integration.forked import Forks
from tests.integration.project_copy import Done, Project
from tests.integration.venvs import Venvs
from tests.served import REFERENCE, Served
from tests.served import served as serving
from tests.serving_bundle import penguin_bundle


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window of headless Chromium."""
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.close()


@pytest.fixture(scope="session")
def venvs(pytestconfig: pytest.Config) -> Venvs:
    """Other projects' packages, in venvs of their own."""
    assert pytestconfig.cache is not None
    return Venvs(pytestconfig.cache.mkdir("venvs"))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the reference bundle under a one-time key, which it says on standard error and writes nowhere."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, is_open=False) as found:
        yield found
    written = [path for path in folder.rglob("*") if path.is_file() and path.name != "server.log"]
    assert written
    assert not [path for path in written if found.key.encode() in path.read_bytes()]


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of the reference bundle that answers anyone."""
    with serving(tmp_path_factory.mktemp("open")) as found:
        yield found


@pytest.fixture(scope="session")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An open server of a model with three classes and columns of texts."""
    bundle = tmp_path_factory.mktemp("bundle")
    penguin_bundle(bundle)
    with serving(tmp_path_factory.mktemp("penguins"), bundles={"1": bundle}) as found:
        yield found


@pytest.fixture(scope="session")
def row() -> dict[str, Any]:
    """The reference bundle's example, in the order of its columns."""
    found: dict[str, Any] = json.loads((REFERENCE / "serving.json").read_bytes())["example"]["row"]
    order = [feature["name"] for feature in json.loads((REFERENCE / "contract.json").read_bytes())["features"]]
    return {name: found[name] for name in order}


@pytest.fixture(scope="session")
def probability() -> float:
    """What the reference bundle says its example gets."""
    return float(json.loads((REFERENCE / "serving.json").read_bytes())["example"]["probabilities"][1])
