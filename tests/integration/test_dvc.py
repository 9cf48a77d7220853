"""`dvc repro`, `push` and `pull`, in a project of its own, against an S3 server that checks keys."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import boto3
import pytest
import yaml

from project.paths import ROOT
from tests.integration.object_store import BUCKET, object_store, with_keys
from tests.integration.project_copy import Project

pytestmark = pytest.mark.slow
STAGE = "split@penguins"
PATIENCE = 300


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy after `dvc repro` of one data set."""
    project = Project.copy(tmp_path_factory.mktemp("dvc"))
    for left in ("data/processed", ".dvc/cache", ".dvc/tmp", ".dvc/config.local", ".dvc-remote"):
        path = project.root / left
        path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, ignore_errors=True)
    assert dvc(project, "config", "--local", "core.no_scm", "true").returncode == 0
    done = dvc(project, "repro", STAGE)
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture(scope="module")
def bucket(project: Project) -> Iterator[None]:
    """An S3 server that takes one key, and a remote in it, as data/README.md adds it."""
    with object_store(), with_keys():
        added = dvc(project, "remote", "add", "--local", "s3", f"s3://{BUCKET}/dvc")
        assert added.returncode == 0, added.stderr
        yield


def dvc(project: Project, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["dvc", *arguments],
        cwd=project.root,
        env={**project.environment, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def processed(project: Project) -> dict[str, bytes]:
    folder = project.root / "data/processed/penguins"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def emptied(project: Project) -> None:
    for folder in ("data/processed", ".dvc/cache"):
        shutil.rmtree(project.root / folder, ignore_errors=True)


def test_repro_makes_the_bytes_of_the_lock(project: Project) -> None:
    assert list(processed(project)) == ["external.parquet", "rows.parquet", "test.parquet", "train.parquet"]
    made, committed = (yaml.safe_load((root / "dvc.lock").read_bytes()) for root in (project.root, ROOT))
    assert made == committed
    assert dvc(project, "status", STAGE).stdout == "Data and pipelines are up to date.\n"


def test_nothing_is_told_to_anyone(project: Project) -> None:
    assert dvc(project, "config", "core.analytics").stdout.strip() == "false"
    assert dvc(project, "config", "core.check_update").stdout.strip() == "false"


def test_the_default_remote_is_a_folder(project: Project) -> None:
    before = processed(project)
    assert dvc(project, "push", STAGE, "clean@penguins").returncode == 0
    emptied(project)
    assert dvc(project, "pull", STAGE, "clean@penguins").returncode == 0
    assert processed(project) == before


def test_what_is_pushed_to_a_bucket_comes_back(project: Project, bucket: None) -> None:
    before = processed(project)
    done = dvc(project, "push", "--remote", "s3", STAGE, "clean@penguins")
    assert done.returncode == 0, done.stderr
    client = boto3.Session().client("s3")  # with the key of now
    stored = client.list_objects_v2(Bucket=BUCKET, Prefix="dvc/files/md5/")["Contents"]
    assert len(stored) == len(before) == 4
    emptied(project)
    done = dvc(project, "pull", "--remote", "s3", STAGE, "clean@penguins")
    assert done.returncode == 0, done.stderr
    assert processed(project) == before


@pytest.mark.parametrize(("verb", "reason"), [("push", "signature"), ("pull", "forbidden")])
def test_a_wrong_key_is_refused_and_nothing_is_lost(project: Project, bucket: None, verb: str, reason: str) -> None:
    before = processed(project)
    if verb == "pull":
        shutil.rmtree(project.root / ".dvc/cache")  # else there is nothing to ask the bucket for
        (project.root / "data/processed/penguins/rows.parquet").unlink()
    done = dvc(project, verb, "--remote", "s3", STAGE, "clean@penguins", AWS_SECRET_ACCESS_KEY="wrong")
    assert done.returncode != 0
    assert reason in done.stderr.lower()
    assert "wrong" not in done.stdout + done.stderr
    dvc(project, "pull", "--remote", "s3", STAGE, "clean@penguins")
    assert processed(project) == before
