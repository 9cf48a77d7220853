"""Where a bundle comes from, inside a repository and outside."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

import tracking.provenance
from project.paths import ROOT
from tracking.provenance import commit, provenance
from tracking.registration import Registration


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_commit_changes_run_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking.provenance, "ROOT", tmp_path)
    assert commit() == "unknown"
    git(tmp_path, "init", "--quiet")
    assert commit() == "unknown"
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "untracked").touch()
    found = provenance("run 1", commit(), "0.dir")
    assert (found["commit"], found["zenml_run"], found["data_md5"]) == (head, "run 1", "0.dir")
    assert abs((datetime.fromisoformat(found["created"]) - datetime.now(UTC)).total_seconds()) < 60
    (tmp_path / "a").write_text("2")
    assert commit() == f"{head}+changes"


def test_a_version_is_named_after_its_number() -> None:
    assert Registration("7", "run", 1e-7).version == "v7"


def test_the_reference_bundle_was_made_from_a_commit() -> None:
    found = json.loads((ROOT / "models/heart_disease/provenance.json").read_bytes())
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])
