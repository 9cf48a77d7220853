"""Sections that a version's card has beside those of its bundle: other figures, and what acting on answers gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tabular.contract import Contract
from tabular.model_card import interval_of, table

FURTHER, BENEFIT = "Further figures", "What acting on it gives"


def further_figures(contract: Contract, metrics: Mapping[str, Any]) -> str:
    """Every figure that the bundle's own card leaves out, per site and per segment."""
    binary = contract.task == "binary"
    names = ["pr_auc", "log_loss"]
    rates = ["sensitivity", "specificity"] if binary else []
    rows = [
        [
            label,
            figures["rows"],
            *(interval_of(figures, name) for name in names),
            brier_skill(figures),
            *(interval_of(figures, name) for name in rates),
        ]
        for label, figures in {**_places(contract, metrics), **dict(sorted(metrics["segments"].items()))}.items()
        if "metrics" in figures
    ]
    said = (
        "Brier skill: 1 - Brier score / that of giving every row the class shares of these very rows; above 0 the model"
        " beats someone who knows how common each class is there and nothing else. Its interval takes these shares as"
        " they are." + (" Sensitivity and specificity are those at the threshold." if binary else "")
    )
    return f"{said}\n\n{table(['rows of', 'n', 'PR-AUC', 'log loss', 'Brier skill', *rates], rows)}"


def brier_skill(figures: Mapping[str, Any]) -> str:
    """Skill and 95 % interval; a dash where the rows are of one class, so that their shares make no error."""
    constant = (1 - sum(share**2 for share in figures["shares"].values())) / 2
    if constant <= 0:
        return "–"
    low, high = figures["intervals"]["brier"]
    value, least, most = (1 - brier / constant for brier in (figures["metrics"]["brier"], high, low))
    return f"{value:.3f} ({least:.3f} to {most:.3f})"


def benefit(contract: Contract, metrics: Mapping[str, Any]) -> str:
    """The decision curve at each site as a table; empty for more than two classes."""
    places = _places(contract, metrics)
    if any("decision_curve" not in figures for figures in places.values()):
        return ""
    said = (
        f"Net benefit of acting where {contract.target.positive!r} has at least a probability, beside acting on all"
        " rows; acting on none gives 0. Right alarms, less wrong ones at the odds of that probability, as a share of"
        " the rows (Vickers and Elkin 2006): the model is of use where it is above both."
    )
    curves = [figures["decision_curve"] for figures in places.values()]
    rows = [[f"{points[0]['threshold']:g}", *map(_point, points)] for points in zip(*curves, strict=True)]
    return f"{said}\n\n{table(['acting from', *places], rows)}"


def _point(point: Mapping[str, Any]) -> str:
    low, high = point["interval"]
    return f"{point['model']:.3f} ({low:.3f} to {high:.3f}); all {point['all']:.3f}"


def _places(contract: Contract, metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {f"{contract.training_site}, held out": metrics["test"]} | {
        f"{site}, never seen": metrics["external"][site] for site in contract.external_sites
    }


def sections(contract: Contract, metrics: Mapping[str, Any]) -> Iterator[str]:
    """Headings and their text."""
    for heading, text in ((FURTHER, further_figures(contract, metrics)), (BENEFIT, benefit(contract, metrics))):
        if text:
            yield from (f"## {heading}", text)
