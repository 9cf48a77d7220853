"""Tables of other kinds, and no code: thirty numbers; half a million rows, one in a hundred of them positive."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from project.errors import Exit
from project.paths import ROOT
from tests.integration.conftest import Journey
from tests.integration.forked import Forks
from tests.integration.project_copy import Project, refusal

pytestmark = pytest.mark.slow
ROWS = 500_000


@pytest.fixture(scope="module")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Journey]:
    project = Project.copy(tmp_path_factory.mktemp("breast_cancer"), forks)
    done = project.journey("--dataset", "breast_cancer")
    assert done.returncode == Exit.DONE, done.stderr
    yield Journey(project, done)
    project.close()


def test_the_rows_are_those_of_the_copy_they_came_from() -> None:
    ours = pd.read_csv(ROOT / "data/raw/breast_cancer/wdbc.csv")
    theirs = load_breast_cancer()
    assert (ours.drop(columns="diagnosis").to_numpy() == theirs.data).all()
    assert ((ours["diagnosis"] == "B") == (theirs.target == 1)).all()


def test_thirty_numbers_make_the_whole_journey(breast_cancer: Journey) -> None:
    found = breast_cancer.found
    (site,) = found["data"]
    assert (site["site"], site["rows"], site["violations"]) == ("wisconsin", 569, [])
    assert found["test"]["metrics"]["roc_auc"] > 0.98
    assert all(gate["passed"] for gate in found["gates"])
    assert {gate["gate"]: gate["reason"] for gate in found["gates"]}["behaviour"] == "3 of 3 tests hold"
    assert found["promotion"]["version"] == "v1"
    assert found["prediction"]["label"] in ("benign", "malignant")


def test_thirty_numbers_are_judged_one_by_one_at_the_endpoint(breast_cancer: Journey) -> None:
    row = pd.read_csv(ROOT / "data/raw/breast_cancer/wdbc.csv").drop(columns="diagnosis").iloc[0].to_dict()
    answer = breast_cancer.project.ask({str(name): value for name, value in row.items()})
    assert (answer["label"], answer["probability"] > 0.9) == ("malignant", True)
    said = refusal(
        breast_cancer.project.run("predict", "--dataset", "breast_cancer", "--row", '{"radius_mean": -1}', "--json")
    )
    assert "radius_mean" in said["error"]


def test_half_a_million_rows_make_the_whole_journey(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> None:
    project = Project.copy(tmp_path_factory.mktemp("payments"), forks)
    command = [sys.executable, "data/generate.py", "payments.parquet", "--rows", str(ROWS)]
    subprocess.run(command, cwd=project.root, check=True, env=project.environment)
    done = project.run("data", "init", "payments.parquet", "--target", "fraud", "--json")
    assert done.returncode == Exit.DONE, done.stderr
    # One candidate with one setting, and no cross-validation beyond two folds: the rows are what is tried here.
    project.edit("configs/training.yaml", "quick: {folds: 5, repeats: 2}", "quick: {folds: 2, repeats: 1}")
    project.edit("configs/training.yaml", "quick: {C: [0.03, 0.3, 3]}", "quick: {C: [0.3]}")
    path = project.root / "configs/training.yaml"
    text = path.read_text(encoding="utf-8")
    others = text.index("  forest:"), text.index("\ngates:")
    path.write_text(text[: others[0]] + text[others[1] :], encoding="utf-8")
    try:
        done = project.journey("--dataset", "payments")
        assert done.returncode == Exit.DONE, done.stderr
        found = json.loads(done.stdout)
    finally:
        project.close()
    (site,) = found["data"]
    assert (site["rows"], site["violations"]) == (ROWS, [])
    assert found["test"]["rows"] == ROWS // 5
    assert found["test"]["shares"]["1"] == pytest.approx(0.01, abs=1e-4)
    assert found["test"]["metrics"]["roc_auc"] > 0.9
    assert all(gate["passed"] for gate in found["gates"])
