"""An image's tag follows what goes into it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from project import images
from project.images import CONTENT, image_name
from project.paths import ROOT


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("Dockerfile", "LICENSE", "requirements", "serving", "models", "project", "deployers"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(images, "ROOT", tmp_path)
    return tmp_path


def test_equal_trees_name_equal_images(tree: Path) -> None:
    here = {target: image_name(target, "localhost:5000/tabular") for target in CONTENT}
    shutil.rmtree(tree / "serving/__pycache__", ignore_errors=True)
    assert {target: image_name(target, "localhost:5000/tabular") for target in CONTENT} == here
    assert all(re.fullmatch(r"localhost:5000/tabular/[a-z]+:[0-9a-f]{12}", name) for name in here.values())


@pytest.mark.parametrize(
    ("changed", "targets"),
    [
        ("requirements/steps.txt", {"steps"}),
        ("requirements/slim-steps.sh", {"steps"}),
        ("deployers/settings.py", {"steps"}),
        ("deployers/rollout.py", set()),
        ("serving/app.py", {"serving"}),
        ("models/heart_disease/model.onnx", {"serving"}),
        ("requirements/zenml-server.txt", {"zenml"}),
        ("Dockerfile", set(CONTENT)),
    ],
)
def test_a_change_makes_new_images_of_those_that_hold_it(tree: Path, changed: str, targets: set[str]) -> None:
    before = {target: image_name(target, "r") for target in CONTENT}
    (tree / changed).write_bytes((tree / changed).read_bytes() + b"\n")
    assert {target for target in CONTENT if image_name(target, "r") != before[target]} == targets


def test_the_dockerfile_copies_what_the_tags_cover() -> None:
    """A file that an image holds and its tag does not cover would leave an old image in use."""
    copied: dict[str, set[str]] = {}
    stage = ""
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if start := re.match(r"FROM \S+ AS (\S+)", line):
            stage = start[1].removeprefix("build-")
        elif (copy := re.match(r"COPY (?!--from)(.+) \S+$", line)) and stage != "build":
            copied.setdefault(stage, {"Dockerfile"}).update(path.rstrip("/") for path in copy[1].split())
    assert copied == {target: set(names) for target, names in CONTENT.items()}
