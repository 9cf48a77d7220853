"""The notebooks run from top to bottom, say what they said, and draw the figures of the documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from project.paths import ROOT

pytestmark = pytest.mark.slow
FIGURES = ROOT / "docs/figures"
PATIENCE = 300
NUMBER = re.compile(r"-?\d+\.\d+")
HALF_A_POINT = 0.5
"""By which a point of a figure may lie elsewhere on another machine, where probabilities agree to 1e-6."""


def executed(name: str, **environment: str) -> Any:
    notebook = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patched:
        for key, value in environment.items():
            patched.setenv(key, value)
        client = NotebookClient(
            notebook, timeout=PATIENCE, kernel_name="python3", resources={"metadata": {"path": str(ROOT / "notebooks")}}
        )
        return client.execute()


def said(notebook: Any) -> str:
    """What the cells answered, as text."""
    results: list[Mapping[str, str]] = [
        output["data"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output
    ]
    return "\n".join(each["text/plain"] for each in results)


def test_exploration_draws_the_figures_of_the_documents(tmp_path: Path) -> None:
    text = said(executed("01_eda", FIGURES=str(tmp_path)))
    assert "cells hold a number that means 'not measured'" in text
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(drawn) == [
        *("heart_disease_by_class.svg", "heart_disease_correlation.svg", "heart_disease_findings.md"),
        *("heart_disease_missing.svg", "heart_disease_outliers.svg", "heart_disease_shift.svg"),
    ]
    assert drawn["heart_disease_findings.md"] in (ROOT / "docs/data.md").read_text(encoding="utf-8")
    committed = {name: (FIGURES / name).read_text(encoding="utf-8") for name in drawn}
    assert [name for name in sorted(drawn) if drawn[name] != committed[name]] == [], "run notebooks/01_eda.ipynb"


def test_modelling_finds_the_figures_of_the_bundle(tmp_path: Path) -> None:
    text = said(executed("02_modelling", FIGURES=str(tmp_path)))
    assert "cleveland, held out" in text
    (path,) = tmp_path.iterdir()
    drawn, committed = (place.read_text(encoding="utf-8") for place in (path, FIGURES / path.name))
    assert {"cleveland, held out", "hungarian", "switzerland", "va"} <= {*re.findall(r">([^<>]+)</text>", drawn)}
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", committed), "run notebooks/02_modelling.ipynb"
    places = [[float(number) for number in NUMBER.findall(svg)] for svg in (drawn, committed)]
    assert places[0] == pytest.approx(places[1], abs=HALF_A_POINT), "run notebooks/02_modelling.ipynb"


def test_exploration_takes_any_contract(tmp_path: Path) -> None:
    executed("01_eda", FIGURES=str(tmp_path), DATASET="penguins")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("penguins_by_class.svg", "penguins_correlation.svg", "penguins_findings.md"),
        *("penguins_missing.svg", "penguins_outliers.svg"),
    ]
