"""The same data, config and lock make the same bytes: twice, and with one thread or two."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from project.paths import ROOT
from tabular.bundle import read_bundle
from tests.model.conftest import Trained


@pytest.mark.slow
def test_one_and_two_jobs_make_the_same_bundle(
    name: str, model: Trained, train_with: Callable[[str, int], Trained]
) -> None:
    again = train_with(name, 2)
    assert again.bundle is not model.bundle
    assert again.bundle.digest == model.bundle.digest
    assert again.choice == model.choice


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the digest is promised per architecture")
def test_it_is_the_committed_bundle(train_with: Callable[[str, int], Trained]) -> None:
    committed = read_bundle(ROOT / "models" / "heart_disease")
    made = train_with("heart_disease", 1).bundle
    assert {name for name, data in committed.content.items() if made.content[name] != data} == set()
    assert made.digest == committed.digest
