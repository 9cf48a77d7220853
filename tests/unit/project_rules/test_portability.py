"""What runs is the same on every stack: pipelines, steps and the science know none."""

from __future__ import annotations

import re

import pytest

from project.paths import ROOT
from tests.unit.project_rules.tree import PACKAGES, modules

ACTIVE = re.compile(r"active_stack|ACTIVE_STACK")
READERS = ("stacks/", "deployers/__init__.py", "deployers/flavors.py", "tracking/registry.py")
"""Beside `stacks`, one place for each component that our own code talks to: the deployer and the tracker."""


WORDS = ("flavor", "s3://", "seldon", "active_stack", "--stack", "minikube", "kubernetes", "(?<![a-z])eks")
"""As patterns: a number of weeks is no cluster."""


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("package", ["pipelines", "steps", "tabular"])
def test_no_stack_is_named(package: str, word: str) -> None:
    found = [path.name for path in modules(package) if re.search(word, path.read_text(encoding="utf-8").lower())]
    assert found == []


def test_the_active_stack_is_read_in_one_place_per_component() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in modules(package)
        if ACTIVE.search(path.read_text(encoding="utf-8"))
    }
    assert {reader for reader in readers if not reader.startswith(READERS)} == set()
