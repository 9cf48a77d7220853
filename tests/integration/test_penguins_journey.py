"""Another table and no code: three classes, string categories, missing values, one site; then a drafted contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from project.errors import Exit
from tests.integration.conftest import Journey
from tests.integration.forked import Forks
from tests.integration.project_copy import Project, refusal

CLASSES = ["Adelie", "Chinstrap", "Gentoo"]
PENGUINS = "data/raw/penguins/penguins.csv"


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Journey]:
    project = Project.copy(tmp_path_factory.mktemp("penguins"), forks)
    done = project.journey("--dataset", "penguins")
    assert done.returncode == Exit.DONE, done.stderr
    yield Journey(project, done)
    project.close()


def test_the_journey(penguins: Journey) -> None:
    found = penguins.found
    assert [(site["site"], site["role"], site["rows"], site["violations"]) for site in found["data"]] == [
        ("palmer", "train", 344, [])
    ]
    assert found["threshold"] is None
    assert found["test"]["metrics"]["balanced_accuracy"] > 0.95
    assert set(found["test"]["shares"]) == set(CLASSES)
    assert all(gate["passed"] for gate in found["gates"])
    assert {gate["gate"]: gate["reason"] for gate in found["gates"]}["behaviour"] == "8 of 8 tests hold"
    assert found["promotion"]["version"] == "v1"
    assert found["drift"] == []


def test_the_endpoint_answers_with_a_probability_per_class(penguins: Journey) -> None:
    answer = penguins.found["prediction"]
    assert list(answer["probabilities"]) == CLASSES
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert answer["probability"] == max(answer["probabilities"].values())
    assert answer["label"] == CLASSES[answer["prediction"]]


def test_the_card_has_figures_per_island_and_no_threshold(penguins: Journey) -> None:
    card = (penguins.project.root / penguins.found["reports"]["model card"]).read_text(encoding="utf-8")
    assert "island: Torgersen" in card
    assert "the likeliest class is answered" in card
    assert "CC0 1.0" in card


@pytest.fixture(scope="module")
def predicted(penguins: Journey) -> Path:
    """The training file, predicted with the bundle behind the endpoint."""
    arguments = ("--dataset", "penguins", "--input", PENGUINS, "--output", "out.csv", "--json", "--keep", "year")
    done = penguins.project.run("predict", *arguments)
    assert done.returncode == Exit.DONE, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["version"], summary["rows"], summary["rejected"]) == ("v1", 344, 0)
    return penguins.project.root / "out.csv"


def test_the_file_gets_the_same_answers_as_its_rows(penguins: Journey, predicted: Path) -> None:
    answers, rows = pd.read_csv(predicted), pd.read_csv(penguins.project.root / PENGUINS)
    assert (answers["label"] == rows["species"]).mean() > 0.97
    for index in (0, 3, 160, 271, 343):
        row = rows.drop(columns=["species", "year"]).iloc[index].to_dict()
        answer = penguins.project.ask({str(name): None if pd.isna(value) else value for name, value in row.items()})
        assert answers["label"][index] == answer["label"]
        for label, probability in answer["probabilities"].items():
            assert answers[f"probability {label}"][index] == pytest.approx(probability, abs=1e-6)


def test_as_a_pipeline_the_registry_s_champion_predicts_the_same(penguins: Journey, predicted: Path) -> None:
    project = penguins.project
    arguments = ("--stack", "local", "--dataset", "penguins", "--input", PENGUINS, "--keep", "year", "--json")
    done = project.run("predict", *arguments, "--output", "pipeline.csv", "--pipeline")
    assert done.returncode == Exit.DONE, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["version"], summary["digest"]) == ("v1", penguins.found["promotion"]["digest"])
    assert (project.root / "pipeline.csv").read_bytes() == predicted.read_bytes()


def test_without_an_endpoint_the_champion_predicts(penguins: Journey) -> None:
    project = penguins.project
    project.run("down", "--dataset", "penguins")
    done = project.run(
        *("predict", "--stack", "local", "--dataset", "penguins", "--input", PENGUINS),
        *("--output", "champion.csv", "--keep", "year", "--json"),
    )
    assert done.returncode == Exit.DONE, done.stderr
    assert json.loads(done.stdout)["digest"] == penguins.found["promotion"]["digest"]


@pytest.mark.slow
def test_a_first_contract_trains_as_it_was_written(penguins: Journey) -> None:
    project = penguins.project
    rows = pd.read_csv(project.root / PENGUINS).dropna(subset="sex")
    rows.assign(ring=[f"N{i}A" for i in range(len(rows))]).to_csv(project.root / "Birds 1.csv", sep=";", index=False)
    done = project.run("data", "init", "Birds 1.csv", "--target", "sex")
    assert done.returncode == Exit.DONE, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "Wrote configs/datasets/birds_1.yaml: read and correct it, 11 guesses are marked '# check:'.",
        "  ring is left out: 333 different texts, looks like an identifier",
    ]
    project.edit("configs/training.yaml", "quick: {folds: 5, repeats: 2}", "quick: {folds: 3, repeats: 1}")
    trained = project.run("train", "--stack", "local", "--dataset", "birds_1", "--json")
    assert trained.returncode == Exit.DONE, trained.stderr
    found = json.loads(trained.stdout)
    assert found["promotion"]["model"] == "birds_1"
    assert 0 < found["threshold"] < 1
    assert found["test"]["metrics"]["roc_auc"] > 0.9


def test_a_column_that_tells_the_class_stops_a_first_contract(penguins: Journey) -> None:
    """A wrong guess ends in a line that names the column, the figure and the limit, and in no version."""
    project = penguins.project
    rows = pd.read_csv(project.root / PENGUINS).dropna(subset="sex")
    rows.assign(told=rows["sex"].map({"male": "m1", "female": "f1"})).to_csv(project.root / "told.csv", index=False)
    done = project.run("data", "init", "told.csv", "--target", "sex")
    assert done.returncode == Exit.DONE, done.stderr
    assert "  training will refuse told (AUC 1.000): " in done.stdout
    said = refusal(project.run("train", "--stack", "local", "--dataset", "told", "--json"))
    assert said["exit_code"] == Exit.REFUSED
    assert "told: leakage, AUC of this column alone: 1, allowed: 0.98 or less" in said["error"]
