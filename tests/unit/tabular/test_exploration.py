"""Tables of a data set by its contract: the figures, on rows that can be counted by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tabular.contract import Contract
from tabular.exploration import correlations, missing_shares, outliers, prevalence, shifts
from tabular.exploration_figures import boxes, by_class, heatmap, save
from tests.unit.tabular.conftest import Data, make_contract


def rows(count: int, weight: float, kinds: str) -> pd.DataFrame:
    """`count` pets: weights from `weight` on, one by one; as many cats and dogs as `kinds` says by c and d."""
    index = np.arange(count)
    return pd.DataFrame(
        {
            "weight": weight + index,
            "litter": pd.array([None if i % 4 == 0 else 1 + i % 3 for i in index], dtype="Int64"),
            "indoor": pd.array(index % 2 == 0, dtype="boolean"),
            "coat": pd.array([1] * count, dtype="Int64"),
            "colour": pd.array([("black", "white")[i % 2] for i in index], dtype="string"),
            "kind": pd.array([{"c": "cat", "d": "dog"}[kinds[i % len(kinds)]] for i in index], dtype="string"),
        }
    )


@pytest.fixture
def contract() -> Contract:
    return make_contract()


@pytest.fixture
def sites() -> dict[str, pd.DataFrame]:
    there = rows(20, 50, "c").assign(coat=pd.array([2] * 20, dtype="Int64"))
    there["litter"] = pd.array([None] * 20, dtype="Int64")
    return {"here": rows(20, 0, "cd"), "there": there}


def test_missing_shares(contract: Contract, sites: dict[str, pd.DataFrame]) -> None:
    found = missing_shares(contract, sites)
    assert found["here"].to_dict() == {"weight": 0, "litter": 0.25, "indoor": 0, "coat": 0, "colour": 0}
    assert found["there"]["litter"] == 1


def test_prevalence(contract: Contract, sites: dict[str, pd.DataFrame]) -> None:
    assert prevalence(contract, sites).to_dict() == {"here": {"dog": 0.5, "cat": 0.5}, "there": {"dog": 0, "cat": 1}}


def test_shifts(contract: Contract, sites: dict[str, pd.DataFrame]) -> None:
    found = shifts(contract, sites)["there"]
    assert np.isnan(found["litter"])
    assert found.drop("litter").to_dict() == {"weight": 1, "indoor": 0, "coat": 1, "colour": 0}
    half = {**sites, "there": rows(20, 10, "c")}  # half of the weights lie above all others
    assert shifts(contract, half)["there"]["weight"] == 0.5


def test_correlations(contract: Contract) -> None:
    table = rows(20, 0, "cd")
    found = correlations(contract, table)
    assert list(found) == ["weight", "litter", "indoor", "cat"]
    assert found.loc["indoor", "cat"] == pytest.approx(1)
    assert found.loc["weight", "weight"] == pytest.approx(1)


def test_outliers(contract: Contract) -> None:
    table = rows(20, 0, "cd")
    table.loc[3, "weight"] = 90.0
    found = outliers(contract, table)
    first, third = np.quantile(table["weight"], [0.25, 0.75])
    expected = {"low": first - 1.5 * (third - first), "high": third + 1.5 * (third - first), "rows": 1, "farthest": 90}
    assert found.loc["weight"].to_dict() == expected
    assert found.loc["litter", "rows"] == 0


def test_a_figure_is_the_same_twice_and_says_its_columns(heart: Data, tmp_path: Path) -> None:
    drawings: dict[str, Callable[[], Figure]] = {
        "classes": lambda: by_class(heart.contract, heart.train),
        "boxes": lambda: boxes(heart.contract, heart.sites),
        "map": lambda: heatmap(missing_shares(heart.contract, heart.sites), "missing"),
    }
    for name, figure in drawings.items():
        paths = [tmp_path / f"{name}{n}.svg" for n in (1, 2)]
        for path in paths:
            save(figure(), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        text = " ".join(ET.parse(paths[0]).getroot().itertext())  # noqa: S314  written a line above
        assert "chol" in text
