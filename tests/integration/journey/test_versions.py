"""Other models of the journey's project; the last file, because the others look at the first version alone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from project.errors import Exit
from tabular.bundle import Bundle, sha256
from tests.integration.conftest import Journey
from tests.integration.project_copy import Project, refusal, steps_of_last_run, zenml_of

CONTRACT, TRAINING = "configs/datasets/heart_disease.yaml", "configs/training.yaml"
VA = "data/raw/heart_disease/processed.va.data"


@pytest.fixture
def project(journey: Journey) -> Iterator[Project]:
    """With a gate that no model passes: what is made here takes no place of the first version."""
    project = journey.project
    with project.restored(CONTRACT, TRAINING, VA):
        project.edit(TRAINING, "roc_auc, at_least: 0.75", "roc_auc, at_least: 0.999")
        yield project


def refused(project: Project) -> Bundle:
    """The bundle of a run whose model a gate refuses."""
    assert refusal(project.run("train", "--stack", "local", "--json"))["exit_code"] == Exit.REFUSED
    with zenml_of(project) as client:
        (run, *_) = client.list_pipeline_runs(pipeline="training", sort_by="desc:created", size=1)
        bundle = run.steps["package_model"].outputs["bundle"][0].load()
    assert isinstance(bundle, Bundle)
    return bundle


@pytest.mark.slow
def test_another_share_of_rows_to_test_on_is_another_model(project: Project, journey: Journey) -> None:
    project.edit(TRAINING, "test_share: 0.2", "test_share: 0.3")
    made = refused(project)
    assert made.digest != journey.found["promotion"]["digest"]
    metrics = made.json("metrics.json")
    assert (metrics["training_rows"], metrics["test"]["rows"]) == (212, 91)


@pytest.mark.slow
def test_the_hash_of_the_data_is_that_of_the_rows_it_was_made_of(project: Project) -> None:
    file = project.root / VA
    project.edit(CONTRACT, f"    sha256: {sha256(file.read_bytes())}\n", "")  # so that it may change
    before = refused(project)
    file.write_bytes(file.read_bytes().split(b"\n", 1)[1])
    after = refused(project)
    assert after.data_sha256 != before.data_sha256
    rows = [bundle.json("metrics.json")["external"]["va"]["rows"] for bundle in (before, after)]
    assert rows == [200, 199]


@pytest.mark.slow
def test_a_model_that_passed_when_judged_again_has_the_verdicts_of_that_run(project: Project) -> None:
    project.edit(TRAINING, "false_negative: 2", "false_negative: 3")  # another threshold, the same probabilities
    refused(project)
    project.edit(TRAINING, "at_least: 0.999", "at_least: 0.75")
    done = project.run("train", "--stack", "local", "--json")
    assert done.returncode == 0, done.stderr
    with zenml_of(project) as client:
        assert steps_of_last_run(client, "training")["package_model"] == "cached"
    found = json.loads(done.stdout)
    done = project.run("status", "--lineage", found["promotion"]["version"], "--stack", "local", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gates"] == [f"pass  {gate['gate']}: {gate['reason']}" for gate in found["gates"]]
