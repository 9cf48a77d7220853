"""What importing a module does: nothing, and nothing of what another layer needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from project.paths import ROOT
from tests.unit.project_rules.tree import module_names
from tests.unit.project_rules.watch import watch

WATCH = Path(__file__).with_name("watch.py")


def imported(folder: Path, *names: str) -> dict[str, Any]:
    """Import modules in a process of their own, with an empty home."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ZENML_", "MLFLOW_"))}
    done = subprocess.run(
        [sys.executable, "-B", str(WATCH), *names],
        cwd=ROOT,
        env={**environment, "HOME": str(folder), "ZENML_CONFIG_PATH": str(folder / "zenml")},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home, before = tmp_path_factory.mktemp("home"), entries()
    found = imported(home, "--watch", *module_names())
    return {**found, "new": sorted(entries() - before), "zenml": (home / "zenml").exists()}


def entries() -> set[str]:
    """Of the project's root, without what other processes write there when coverage is measured."""
    return {path.name for path in ROOT.iterdir() if not path.name.startswith(".coverage")}


def test_nothing_happens_at_import(everything: dict[str, Any]) -> None:
    assert everything["done"] == []
    assert everything["new"] == []
    assert not everything["zenml"], "ZenML opened its store"
    assert everything["threads"] == 1


def test_the_watch_sees_what_it_should() -> None:
    source = f"import os; os.environ.get('HOME'); open({os.devnull!r}, 'w').close()"
    culprit = compile(source, str(ROOT / "project" / "paths.py"), "exec")
    assert watch(lambda: exec(culprit)) == ["project/paths.py: reads $HOME", f"project/paths.py: writes {os.devnull}"]  # noqa: S102  a constant


def test_the_training_pipeline_needs_no_backend(tmp_path: Path) -> None:
    modules = set(imported(tmp_path, "pipelines.training")["modules"])
    assert not {name for name in modules if name.split(".")[0] in ("deployers", "kubernetes", "evidently", "stacks")}


@pytest.mark.parametrize(
    "name", ["tabular.packaging", "tabular.checks", "tabular.drift", "deployers", "stacks", "cli.main"]
)
def test_a_layer_below_starts_without_zenml_and_mlflow(name: str, tmp_path: Path) -> None:
    assert not {"zenml", "mlflow", "boto3", "kubernetes"} & set(imported(tmp_path, name)["modules"])
