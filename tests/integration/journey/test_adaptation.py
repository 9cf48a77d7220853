"""`run.py monitor --adapt` as a site would run it: on rows without labels, gated, and nothing that serves moves."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from project.errors import Exit
from project.paths import ROOT
from tabular.bundle import read_bundle
from tabular.contract import load_contract
from tests.integration.conftest import Journey
from tests.integration.project_copy import refusal, steps_of_last_run, zenml_of

RAW = ROOT / "data/raw/heart_disease/processed.switzerland.data"


@pytest.mark.slow
def test_a_site_adapts_the_champion_to_its_unlabelled_rows(journey: Journey) -> None:
    project, contract = journey.project, load_contract("heart_disease")
    unlabelled = pd.read_csv(RAW, header=None, names=contract.reading.columns, dtype=str)
    unlabelled = unlabelled.drop(columns=contract.target.column)
    unlabelled.to_csv(project.root / "ours.data", header=False, index=False)
    done = project.run("monitor", "--stack", "local", "--input", "ours.data", "--adapt", "adapted", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["digest"] == read_bundle(project.root / "adapted").digest
    assert (report["rows"], report["made_from"]) == (123, journey.found["endpoint"]["digest"])
    assert 0.75 < report["shares_used"]["disease"] < 0.95
    assert all(verdict["passed"] for verdict in report["verdicts"])

    done = project.run("predict", "--bundle", "adapted", "--input", "ours.data", "--output", "answers.csv", "--json")
    assert done.returncode == 0, done.stderr
    answers = pd.read_csv(project.root / "answers.csv")
    assert abs(answers["probability disease"].mean() - report["shares_used"]["disease"]) < 0.02
    with zenml_of(project) as client:
        assert steps_of_last_run(client, "adaptation").keys() == {"adapt_input"}
    status = json.loads(project.run("status", "--json").stdout)["endpoints"][0]
    assert (status["version"], status["digest"]) == ("v1", journey.found["endpoint"]["digest"])


def test_a_gate_that_says_no_leaves_no_bundle(journey: Journey) -> None:
    project = journey.project
    with project.restored("configs/monitoring.yaml"):
        project.edit("configs/monitoring.yaml", "farthest_shares: 0.15", "farthest_shares: 0.01")
        done = project.run("monitor", "--stack", "local", "--site", "switzerland", "--adapt", "refused", "--json")
    assert done.returncode == Exit.REFUSED
    assert refusal(done)["error"].startswith(
        "no model was adapted to switzerland. agreement of class shares: two estimates differ by 0.10, at most 0.01"
    )
    assert not (project.root / "refused").exists()


def test_what_can_not_be_adapted_is_said_before_anything_runs(journey: Journey) -> None:
    project = journey.project
    (project.root / "few.data").write_text("\n".join(RAW.read_text().splitlines()[:10]))
    done = project.run("monitor", "--stack", "local", "--input", "few.data", "--adapt", "few", "--json")
    assert (done.returncode, (project.root / "few").exists()) == (Exit.REFUSED, False)
    assert refusal(done)["error"].startswith("input has 10 rows; adaptation needs at least 50")
    for arguments, message in (
        (("--adapt", "all"), "--adapt is for one site; heart_disease has hungarian, switzerland, va"),
        (("--site", "va", "--adapt", "configs"), "configs exists and is not a bundle; nothing was written"),
    ):
        done = project.run("monitor", "--stack", "local", "--json", *arguments)
        assert done.returncode in (Exit.USAGE, Exit.REFUSED)
        assert refusal(done)["error"].startswith(message)


@pytest.mark.parametrize("more", [(), ("--adapt", "changed")])
def test_a_champion_of_another_contract_is_refused_with_what_helps(journey: Journey, more: tuple[str, ...]) -> None:
    project, digest = journey.project, journey.found["endpoint"]["digest"]
    with project.restored("configs/datasets/heart_disease.yaml"):
        project.edit("configs/datasets/heart_disease.yaml", "  ca:\n    type: integer", "  ca:\n    type: number")
        done = project.run("monitor", "--stack", "local", "--site", "switzerland", "--json", *more)
    assert done.returncode == Exit.REFUSED
    told = refusal(done)
    assert told["error"].startswith(f"the contract of heart_disease has changed since {digest[:12]} was trained")
    assert told["next"] == "python run.py train --dataset heart_disease"
