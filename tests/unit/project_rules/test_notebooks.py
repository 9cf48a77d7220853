"""Notebooks hold no output: what they show is made when they run, and the tests run them."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from project.paths import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_output(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [(cell.outputs, cell.execution_count) for cell in code] == [([], None)] * len(code)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_no_column(path: Path) -> None:
    from tabular.contract import load_contract

    names = {name for dataset in ("heart_disease", "penguins") for name in load_contract(dataset).features}
    text = path.read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f'\\"{name}\\"' in text] == []
