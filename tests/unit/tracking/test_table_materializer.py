"""A table in an artifact store: what its content hash tells apart, and what it does not."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tracking.table_materializer import TableMaterializer


def table(second: str | None = "b") -> pd.DataFrame:
    """A column of every type that a contract has, each with a missing cell."""
    return pd.DataFrame(
        {
            "number": [0.1, np.nan, -0.0],
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "yes": pd.array([True, None, False], dtype="boolean"),
            "code": pd.array(["a", second, None], dtype="string"),
            "_site": ["one", "one", None],
        }
    )


def content_hash(rows: pd.DataFrame, folder: Path) -> str:
    """As ZenML takes it: of the data that was saved before."""
    folder.mkdir()
    store: Any = SimpleNamespace(open=open, exists=os.path.exists)
    materializer = TableMaterializer(str(folder), store)
    materializer.save(rows)
    assert rows.equals(materializer.load(pd.DataFrame))
    return materializer.compute_content_hash(rows)


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(table(), id="made twice"),
        pytest.param(pd.concat([table()[:1], table()[1:]]), id="put together"),
        pytest.param(table()[["_site", *table().columns[:-1]]][list(table().columns)], id="laid out otherwise"),
        pytest.param(
            table().assign(whole=pd.arrays.IntegerArray(np.array([1, 7, 3]), np.array([False, True, False]))),
            id="another value under a missing cell",
        ),
    ],
)
def test_the_same_rows_have_the_same_hash(again: pd.DataFrame, tmp_path: Path) -> None:
    assert content_hash(again, tmp_path / "two") == content_hash(table(), tmp_path / "one")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(table().replace({"number": {0.1: 0.2}}), id="a value"),
        pytest.param(table(second=None), id="a missing cell"),
        pytest.param(table(second="<NA>"), id="a word like a missing cell"),
        pytest.param(table().fillna({"_site": "None"}), id="another"),
        pytest.param(table().astype({"whole": "Float64"}), id="a type"),
        pytest.param(table().rename(columns={"whole": "entire"}), id="a name"),
        pytest.param(table()[::-1].reset_index(drop=True), id="the order of rows"),
        pytest.param(table()[list(table().columns[::-1])], id="the order of columns"),
        pytest.param(table().set_index(pd.Index([0, 1, 3])), id="the index"),
        pytest.param(table()[:2], id="a row less"),
    ],
)
def test_other_rows_have_another_hash(other: pd.DataFrame, tmp_path: Path) -> None:
    assert content_hash(other, tmp_path / "two") != content_hash(table(), tmp_path / "one")
