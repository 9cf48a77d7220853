"""A cached step's key sees the code that the step stands on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from zenml.orchestrators.cache_utils import generate_cache_key

import steps.caching
from project.paths import ROOT
from steps.caching import closure, on_imports
from tracking.table_materializer import TABLES

SCORE = ROOT / "steps" / "training" / "score_candidate.py"


def test_a_step_stands_on_all_that_it_imports() -> None:
    found = closure(SCORE)
    assert found > {
        "steps/training/score_candidate.py",
        "steps/caching.py",
        "tabular/scoring.py",  # named in the step
        "tabular/candidates.py",  # imported by scoring
        "tabular/columns.py",  # imported by contract, which is imported by scoring
        "project/strict_yaml.py",
        "tracking/names.py",
    }
    assert not {path for path in found if path.startswith(("cli/", "serving/", "pipelines/", "stacks/"))}
    assert "tabular/drift.py" not in found
    assert "deployers/interface.py" not in found


def test_every_step_names_files_that_are_there() -> None:
    for file in sorted((ROOT / "steps").rglob("*.py")):
        for path in closure(file):
            assert (ROOT / path).is_file()


def key(artifact: UUID, content_hash: str | None = None, parameter: int = 1) -> str:
    """ZenML's key of a step of ours with one input."""
    options = on_imports(str(SCORE))
    config = SimpleNamespace(
        parameters={"seed": parameter}, outputs={}, caching_parameters={}, secrets=[],
        cache_policy=options["cache_policy"], environment=options["environment"],
    )  # fmt: skip
    step: Any = SimpleNamespace(config=config, spec=SimpleNamespace(source=SimpleNamespace(import_path="score")))
    read: Any = SimpleNamespace(id=artifact, content_hash=content_hash, chunk_index=None)
    store: Any = SimpleNamespace(id=UUID(int=0), path="store", custom_cache_key=None)
    return generate_cache_key(step, {"train": [read]}, store, UUID(int=0))


def test_an_input_counts_by_its_value_and_by_its_id_where_nobody_can_hash_it() -> None:
    one, other = UUID(int=1), UUID(int=2)
    assert key(one, "same") == key(other, "same")
    assert key(one, "same") != key(one, "changed")
    assert key(one) == key(one)
    assert key(one) != key(other)
    assert key(one, "same", parameter=2) != key(one, "same")


def test_every_table_that_a_step_hands_on_has_a_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    # ZenML looks for materializers beside the main file, and a worker of pytest-xdist has none.
    monkeypatch.setattr("zenml.utils.source_utils._CUSTOM_SOURCE_ROOT", str(ROOT))
    found = {}
    for file in (ROOT / "steps").glob("*/[!_]*.py"):
        step = getattr(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)), file.stem)
        for name, output in step.entrypoint_definition.outputs.items():
            if output.resolved_annotation is pd.DataFrame:
                found[name] = [source.import_path for source in step.configuration.outputs[name].materializer_source]
    assert found == {name: [TABLES] for name in ("rows", "train_rows", "test_rows", "external_rows")}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the code that may be edited."""
    for package in ("project", "steps", "tabular", "tracking"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    monkeypatch.setattr(steps.caching, "ROOT", tmp_path)
    steps.caching._imported.cache_clear()
    yield tmp_path
    steps.caching._imported.cache_clear()


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        pytest.param("tabular/scoring.py", True, id="what the step calls"),
        pytest.param("tabular/metrics.py", True, id="what that calls"),
        pytest.param("requirements.txt", True, id="the lock"),
        pytest.param("tabular/drift.py", False, id="another step's"),
    ],
)
def test_an_edit_changes_the_key_of_the_steps_that_stand_on_it(project: Path, edited: str, changes: bool) -> None:
    step = project / "steps" / "training" / "score_candidate.py"
    before = on_imports(str(step))["environment"]
    with (project / edited).open("a") as file:
        file.write("\n# edited\n")
    assert (on_imports(str(step))["environment"] != before) is changes


def test_imports_of_every_form_are_followed(project: Path) -> None:
    start = project / "steps" / "start.py"
    start.write_text(
        "import json\nimport tabular.metrics\nfrom tabular import gates, cells as c\nfrom steps import nothing_there\n"
        "def late():\n    from project.errors import Refused\n    import numpy.linalg\n"
    )
    assert closure(start) > {
        "steps/start.py", "steps/__init__.py", "tabular/__init__.py", "tabular/metrics.py", "tabular/gates.py",
        "tabular/cells.py", "project/errors.py",
    }  # fmt: skip


def test_modules_that_import_each_other_end(project: Path) -> None:
    (project / "steps" / "one.py").write_text("import steps.two\n")
    (project / "steps" / "two.py").write_text("import steps.one\n")
    assert closure(project / "steps" / "one.py") == {"steps/one.py", "steps/two.py"}
