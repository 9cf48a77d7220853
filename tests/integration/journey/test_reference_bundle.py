"""The committed bundle is what the first journey makes: same data, config and lock, same digest."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pytest
import yaml

from project.paths import ROOT
from tabular.bundle import read_bundle
from tabular.contract import load_contract
from tests.integration.conftest import Journey
from tests.integration.project_copy import refusal

REFERENCE = ROOT / "models/heart_disease"


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the digest is promised per architecture")
def test_the_first_journey_rebuilds_the_reference_bundle(journey: Journey) -> None:
    assert read_bundle(REFERENCE).digest == journey.found["promotion"]["digest"]


def test_train_writes_the_bundle_over_an_older_one_and_over_nothing_else(journey: Journey, tmp_path: Path) -> None:
    older = shutil.copytree(REFERENCE, tmp_path / "older")
    (older / "model_card.md").write_text("changed")
    done = journey.project.run("train", "--stack", "local", "--bundle", str(older))
    assert done.returncode == 0, done.stderr
    assert read_bundle(older).digest == journey.found["promotion"]["digest"]
    assert [path.name for path in tmp_path.iterdir()] == ["older"]

    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "mine.txt").write_text("keep")
    said = refusal(journey.project.run("train", "--stack", "local", "--json", "--bundle", str(notes)))
    assert said == {
        "error": f"{notes} exists and is not a bundle; nothing was written",
        "next": "name another folder",
        "exit_code": 3,
    }
    assert [path.name for path in notes.iterdir()] == ["mine.txt"]


def test_lineage_leads_from_a_version_to_its_data_and_runs(journey: Journey) -> None:
    done = journey.project.run("status", "--lineage", "v1", "--stack", "local", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["model"], found["version"], found["stage"]) == ("heart_disease", "v1", "production")
    assert found["digest"] == journey.found["promotion"]["digest"]
    sites = load_contract("heart_disease").sites
    assert found["files"] == {name: site.sha256 for name, site in sites.items()}
    assert found["candidate"] == next(s["candidate"] for s in journey.found["leaderboard"] if s["chosen"])
    assert len(found["gates"]) == len(journey.found["gates"])
    (raw,) = yaml.safe_load((ROOT / "dvc.lock").read_bytes())["stages"]["download@heart_disease"]["outs"]
    assert found["data_md5"] == raw["md5"]
    assert found["zenml_run"].startswith("training-")
    assert len(found["mlflow_run"]) == 32

    text = journey.project.run("status", "--lineage", "v1", "--stack", "local").stdout
    chain = [line.split()[0] for line in text.splitlines() if not line.startswith(" ")]
    assert chain == ["prediction", "version", "run", "data", "commit"]
    answer = journey.found["prediction"]
    assert f'"model": "{answer["model"]}", "version": "{answer["version"]}"' in text.splitlines()[0]
    assert f"DVC {raw['md5']}" in text

    said = refusal(journey.project.run("status", "--lineage", "v9", "--stack", "local", "--json"))
    assert said["exit_code"] == 2
    assert said["error"] == "heart_disease has no version 'v9'; allowed: v1"


def test_a_version_s_figures_are_measured_anew(journey: Journey) -> None:
    done = journey.project.run("status", "--card", "v1", "--section", "missing", "--stack", "local", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["digest"], found["same"]) == (journey.found["promotion"]["digest"], True)
    card = (journey.project.root / "reports/heart_disease/model_card.md").read_text(encoding="utf-8")
    assert found["card"] in card
    said = refusal(journey.project.run("status", "--card", "v9", "--stack", "local", "--json"))
    assert (said["exit_code"], said["error"]) == (2, "heart_disease has no version 'v9'; allowed: v1")
