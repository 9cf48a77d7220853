"""What the bundle's metrics say about how far an answer can be trusted, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from serving.bundle import Model
from serving.markup import Markup, join, table, tag

Z95 = 1.959964
NO_FIGURES = "The bundle of this version has no figures of held-out rows: how good its answers are is not known here."
PURPOSE = "Made to support a decision by a person who knows its limits, not to take it."


def percent(share: float, digits: int = 0) -> str:
    """A share between 0 and 1 as people write it."""
    return f"{share:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def wilson(right: int, rows: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson 1927).

    Args:
        right: Successes.
        rows: Trials, at least one.
    """
    share, spread = right / rows, Z95**2 / rows
    middle = share + spread / 2
    half = Z95 * sqrt(share * (1 - share) / rows + spread / (4 * rows))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def notes(model: Model) -> list[str]:
    """Of each class, in the order of the classes, how often the answer that names it was right on held-out rows."""
    test = model.metrics.get("test")
    if not test:
        return [NO_FIGURES for _ in model.classes]
    rows, figures = test["rows"], test["metrics"]
    found, missed = figures.get("sensitivity"), figures.get("specificity")
    if found is None or missed is None:
        right = round(rows * figures["accuracy"])
        return [f"On {rows} held-out rows its answers were right in {_right(right, rows)}." for _ in model.classes]
    positives = round(rows * test["shares"][model.classes[-1]])
    true_positives, true_negatives = round(found * positives), round(missed * (rows - positives))
    answered = rows - positives - true_negatives + true_positives
    counts = ((true_negatives, rows - answered), (true_positives, answered))
    mix = f" {percent(positives / rows)} of those rows were “{model.classes[-1]}”: where that differs, so will this."
    return [
        f"On {rows} held-out rows the answer “{label}” was "
        + (f"right in {_right(right, given)}.{mix}" if given else "never given.")
        for label, (right, given) in zip(model.classes, counts, strict=True)
    ]


def _right(right: int, rows: int) -> str:
    low, high = wilson(right, rows)
    return f"{right} of {rows} cases ({percent(right / rows)}; 95 % interval {percent(low)} to {percent(high)})"


def section(model: Model) -> Markup:
    """The part of the page that says how the model did on rows it had not seen."""
    heading = tag("h2", "How far to trust it", id="trust")
    test = model.metrics.get("test")
    if not test:
        return tag("section", heading, tag("p", PURPOSE), tag("p", NO_FIGURES), class_="card", aria_labelledby="trust")
    sites = {"held-out rows": test, **model.metrics.get("external", {})}
    rows = [_row(name, figures) for name, figures in sites.items()]
    header = ("rows of", "n", "right", "AUC", "Brier score")
    return tag(
        "section",
        heading,
        tag("p", PURPOSE),
        tag("p", _calibration(test)),
        _warnings(model.metrics.get("external", {})),
        table(header, rows, "Figures, with 95 % intervals in brackets"),
        tag(
            "p",
            "AUC: how often a row of a class gets a higher probability for it than a row of another; "
            "a coin gets 0.5. Sites that are named were not part of the training.",
            class_="fine",
        ),
        class_="card",
        aria_labelledby="trust",
    )


def _calibration(test: Mapping[str, Any]) -> str:
    """How near the probabilities were to what was so."""
    reference = (1 - sum(share**2 for share in test["shares"].values())) / 2
    return (
        f"How near the probabilities came on {test['rows']} held-out rows: Brier score "
        f"{_figure(test, 'brier')}. 0 would be perfect; always giving the shares of the classes gets {reference:.3f}."
    )


def _warnings(sites: Mapping[str, Any]) -> Markup:
    """Where the most frequent answer does better than the model."""
    worse = [
        tag(
            "li",
            tag("strong", f"Not for rows like those of {site} as it is: "),
            f"right in {percent(figures['metrics']['accuracy'])} of them, "
            f"always giving the most frequent answer in {percent(figures['metrics']['majority'])}.",
        )
        for site, figures in sites.items()
        if figures["metrics"]["accuracy"] < figures["metrics"]["majority"]
    ]
    return tag("ul", *worse, class_="warnings") if worse else join()


def _row(name: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    rows = figures["rows"]
    right = round(rows * figures["metrics"]["accuracy"])
    low, high = wilson(right, rows)
    share = f"{percent(right / rows)} ({percent(low)} to {percent(high)})"
    return name, str(rows), *map(_stacked, (share, _figure(figures, "roc_auc"), _figure(figures, "brier")))


def _stacked(figure: str) -> Markup:
    """A figure above its interval."""
    value, bracket, interval = figure.partition(" (")
    return join(value, tag("span", f" ({interval}", class_="range") if bracket else "")


def _figure(figures: Mapping[str, Any], name: str) -> str:
    value, (low, high) = figures["metrics"][name], figures["intervals"][name]
    if value is None or low is None or high is None:
        return "–"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"
