"""Figures of a data set, drawn from its contract; the same rows give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tabular.contract import Contract

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
STILL: dict[Any, Any] = {"svg.hashsalt": "tabular", "svg.fonttype": "none"}
"""Without a salt of its own an SVG file has other identifiers each time; text stays text."""


def heatmap(table: pd.DataFrame, title: str, low: float = 0.0, high: float = 1.0) -> Figure:
    """A table of figures as coloured cells with the figures in them; what is not known stays white."""
    figure = _figure(1.5 + 0.9 * len(table.columns), 1.0 + 0.3 * len(table))
    axes = figure.subplots()
    axes.imshow(table.to_numpy(dtype=float), cmap="RdBu_r" if low < 0 else "Blues", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(table.columns)), table.columns, rotation=45, ha="right")
    axes.set_yticks(range(len(table)), table.index)
    for (row, column), value in np.ndenumerate(table.to_numpy(dtype=float)):
        if not math.isnan(value):
            dark = abs(value) > 0.6 * high
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if dark else "black")
    axes.set_title(title)
    return figure


def by_class(contract: Contract, rows: pd.DataFrame) -> Figure:
    """Each feature by the class of its rows: numbers as histograms, the others as shares."""
    figure, panels = _panels(contract, list(contract.features))
    for axes, (name, feature) in zip(panels, contract.features.items(), strict=False):
        groups = {label: rows[rows[contract.target.column] == label][name] for label in contract.target.labels}
        if feature.is_number:
            known = {label: column.dropna().to_numpy(dtype=float) for label, column in groups.items()}
            edges = np.histogram_bin_edges(np.concatenate(list(known.values())), bins=20).tolist()
            axes.hist(list(known.values()), bins=edges, density=True, histtype="step", label=list(known))
        else:
            _bars(axes, groups, dict(zip(feature.codes or [False, True], feature.labels or ["no", "yes"], strict=True)))
        axes.set_title(name + (f" ({feature.unit})" if feature.unit else ""))
        axes.set_yticks([])
    panels[0].legend(fontsize=6)
    return figure


def boxes(contract: Contract, sites: Mapping[str, pd.DataFrame]) -> Figure:
    """Each number by site: quartiles, and what lies beyond 1.5 times their distance."""
    names = [name for name, feature in contract.features.items() if feature.is_number]
    figure, panels = _panels(contract, names)
    for axes, name in zip(panels, names, strict=False):
        axes.boxplot(
            [rows[name].dropna().to_numpy(dtype=float) for rows in sites.values()],
            tick_labels=list(sites),
            flierprops={"markersize": 2},
        )
        axes.tick_params(axis="x", rotation=45)
        axes.set_title(name)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, without the time."""
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STILL):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _panels(contract: Contract, names: list[str]) -> tuple[Figure, list[Axes]]:
    down = math.ceil(len(names) / ACROSS)
    figure = _figure(2.4 * ACROSS, 1.8 * down)
    panels = list(np.ravel(figure.subplots(down, ACROSS)))
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    figure.suptitle(contract.title)
    return figure, panels


def _bars(axes: Axes, groups: Mapping[str, pd.Series[Any]], labels: Mapping[Any, str]) -> None:
    width = 0.8 / len(groups)
    for index, (group, column) in enumerate(groups.items()):
        shares = column.value_counts(normalize=True)
        places = np.arange(len(labels)) + index * width
        axes.bar(places, [float(shares.get(code, 0.0)) for code in labels], width, label=group)
    axes.set_xticks(
        np.arange(len(labels)) + 0.4 - width / 2, list(labels.values()), rotation=30, ha="right", fontsize=6
    )
