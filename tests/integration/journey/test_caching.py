"""A step runs again when a function it calls is edited, however deep; the others come from cache."""

from __future__ import annotations

import json

from tabular.bundle import sha256
from tests.integration.conftest import Journey
from tests.integration.project_copy import steps_of_last_run, zenml_of


def test_an_edited_function_and_another_parameter_run_their_steps_again_and_no_other(journey: Journey) -> None:
    root = journey.project.root
    files = ("tabular/model_card.py", "tabular/drift_page.py")  # package_model and check_drift call them, two deep
    with journey.project.restored(*files):
        for file in files:
            (root / file).write_text((root / file).read_text() + "\n# another line\n")
        done = journey.project.journey("--jobs", "2")
    assert done.returncode == 0, done.stderr
    with zenml_of(journey.project) as client:
        training = steps_of_last_run(client, "training")
        monitoring = steps_of_last_run(client, "monitoring")
    scores = {f"score_{score['candidate']}" for score in journey.found["leaderboard"]}
    cached = {"load_rows", "split_rows"}  # the scores have the same values
    assert {name for name in (*cached, *scores, "package_model") if training[name] == "cached"} == cached
    assert monitoring == {"drift_hungarian": "completed"}
    assert json.loads(done.stdout)["leaderboard"] == journey.found["leaderboard"]
    assert json.loads(done.stdout)["promotion"] == {**journey.found["promotion"], "changed": False}


def test_the_same_rows_made_anew_are_the_same_input(journey: Journey) -> None:
    file = "tabular/splitting.py"
    with journey.project.restored(file):
        (journey.project.root / file).write_text((journey.project.root / file).read_text() + "\n# another line\n")
        done = journey.project.run("train", "--stack", "local")
    assert done.returncode == 0, done.stderr
    with zenml_of(journey.project) as client:
        steps = steps_of_last_run(client, "training")
    assert {name for name, status in steps.items() if status != "cached"} == {"split_rows", "judge_challenger"}


def test_edited_rows_are_read_again(journey: Journey) -> None:
    project, site = journey.project, "va"
    file, contract = f"data/raw/heart_disease/processed.{site}.data", "configs/datasets/heart_disease.yaml"
    rows = project.root / file
    before = rows.read_bytes()
    first, rest = before.split(b"\n", 1)
    with project.restored(file, contract):
        rows.write_bytes(rest.rstrip(b"\n") + b"\n" + first + b"\n")  # the same rows in another order
        project.edit(contract, sha256(before), sha256(rows.read_bytes()))
        done = project.run("monitor", "--stack", "local", "--site", site)
    assert done.returncode == 0, done.stderr
    with zenml_of(project) as client:
        assert steps_of_last_run(client, "monitoring") == {f"drift_{site}": "completed"}
