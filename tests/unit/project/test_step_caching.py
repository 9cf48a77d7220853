"""A cached step's key sees the code that the step stands on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import steps.caching
from project.paths import ROOT
from steps.caching import closure, on_imports

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


def test_the_policy_counts_values_and_parameters() -> None:
    policy = on_imports(str(SCORE))["cache_policy"]
    assert policy.include_step_code
    assert policy.include_step_parameters
    assert policy.include_artifact_values
    assert not policy.include_artifact_ids
    assert not policy.file_dependencies  # a pod that computes the key has no files of ours


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
