"""Paths as they are typed and as they are said."""

from __future__ import annotations

from pathlib import Path

import pytest

from project.paths import ROOT, from_root


def test_a_path_counts_from_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert from_root("rows.csv") == str(tmp_path.resolve() / "rows.csv")
    assert from_root(str(ROOT / "data" / "rows.csv")) == "data/rows.csv"
    assert from_root("s3://bucket/rows.csv") == "s3://bucket/rows.csv"
    monkeypatch.chdir(ROOT / "tests")
    assert from_root("../data/rows.csv") == "data/rows.csv"
