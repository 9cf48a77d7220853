"""The model card, written from the evidence in a bundle's metrics; never by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabular.cells import allowed
from tabular.contract import Contract

RELIABILITY = "How far its probabilities can be taken at their word"
IMPORTANCE, MISSING = "What it looks at", "What a missing field costs"


def model_card(contract: Contract, metrics: Mapping[str, Any]) -> str:
    """Markdown with data, figures, limits and inputs; the same evidence gives the same bytes."""
    test = metrics["test"]
    threshold = metrics["threshold"]
    decision = (
        f"{contract.target.positive!r} is answered from a probability of {threshold:g} on"
        if threshold is not None
        else "the likeliest class is answered"
    )
    parts = [
        f"# {contract.title}",
        contract.description,
        (
            f"Predicts **{contract.target.description or contract.target.column}**"
            f" ({', '.join(contract.target.labels)}); {decision}."
            " Made to support a decision by a person who knows its limits, not to take it."
        ),
        "## Model",
        table(
            ["candidate", "parameters", "cross-validated loss", "standard error"],
            (
                [
                    ("**" + c["name"] + "**") if c["name"] == metrics["candidate"] else c["name"],
                    ", ".join(f"{k}={v}" for k, v in c["parameters"].items()),
                    _figure(c["mean"]),
                    _figure(c["standard_error"]),
                ]
                for c in metrics["leaderboard"]
            ),
        ),
        _optimism(metrics.get("optimism")),
        "## Figures",
        (
            f"Trained on {metrics['training_rows']} rows of {contract.training_site}."
            " With 95 % bootstrap intervals;"
            " 'majority' is the accuracy of always giving the most frequent answer."
        ),
        table(
            ["rows of", "n", "AUC", "Brier", "accuracy", "balanced accuracy", "majority"],
            (
                [f"{contract.training_site}, held out", *_row(test)],
                *([f"{site}, never seen", *_row(figures)] for site, figures in metrics["external"].items()),
            ),
        ),
        f"## {RELIABILITY}",
        (
            "A calibration slope below 1: they are too extreme. An intercept above 0: they are too low on the whole."
            " A 90 % prediction set is promised to hold the true class in 90 % of rows like those trained on."
            " A new row has a value that no training row reaches."
        ),
        table(
            ["rows of", "calibration slope", "intercept", "in the 90 % set", "classes in it", "new rows"],
            (
                [f"{contract.training_site}, held out", *_reliability(test)],
                *([f"{site}, never seen", *_reliability(figures)] for site, figures in metrics["external"].items()),
            ),
        ),
        *(
            [
                "## Segments of the held-out rows",
                table(
                    ["segment", "n", "AUC", "balanced accuracy"],
                    (
                        [
                            name,
                            part["rows"],
                            *(interval_of(part, m) for m in ("roc_auc", "balanced_accuracy")),
                        ]
                        for name, part in metrics["segments"].items()
                    ),
                ),
            ]
            if metrics["segments"]
            else []
        ),
        f"## {IMPORTANCE}",
        "Rise of the log loss when a feature is shuffled among the training rows.",
        table(["feature", "importance"], ([name, _figure(value)] for name, value in metrics["importance"].items())),
        *_missing(metrics["ablation"]),
        "## Inputs",
        table(
            ["field", "meaning", "allowed", "may be missing"],
            (
                [name, f.description + (f" ({f.unit})" if f.unit else ""), allowed(f), "yes" if f.nullable else "no"]
                for name, f in contract.features.items()
            ),
        ),
        "## Limits",
        _limits(metrics),
        "## Data",
        f"{contract.source.citation} Licence: {contract.source.licence}. <{contract.source.page}>",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_html(markdown: str) -> str:
    """A card as a page of its own; raw HTML in the text is shown, not run."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}"
        "th{background:#f3f4f6}h1,h2{line-height:1.2}"
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Model card</title><style>{style}</style>'
        f"<body>{body}</body></html>"
    )


def _missing(ablation: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not ablation:
        return []
    return [
        f"## {MISSING}",
        (
            "A field that may be missing can be left out of a request. The same held-out rows without it, the model"
            " as it is: rise of the log loss with its 95 % bootstrap interval, and change of the AUC. An interval"
            " that holds 0 says that so few rows can not tell the cost from none."
        ),
        table(
            ["without", "log loss", "AUC"],
            (
                [
                    field,
                    f"{cost['log_loss']:+.3f} ({cost['interval'][0]:+.3f} to {cost['interval'][1]:+.3f})",
                    "–" if cost["roc_auc"] is None else f"{cost['roc_auc']:+.3f}",
                ]
                for field, cost in ablation.items()
            ),
        ),
    ]


def _optimism(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return ""
    return (
        f"Chosen anew within {len(found['chosen'])} outer folds, and scored where it was not chosen, the whole search"
        f" reaches {_figure(found['nested'])}, where the chosen candidate shows {_figure(found['apparent'])}:"
        f" what choosing flatters. The folds chose {', '.join(found['chosen'])}."
    )


def _limits(metrics: Mapping[str, Any]) -> str:
    worse = [
        f"- At {site} it is right in {figures['metrics']['accuracy']:.0%} of rows;"
        f" always giving the most frequent answer would be right in {figures['metrics']['majority']:.0%}."
        " Do not use it there as it is."
        for site, figures in metrics["external"].items()
        if figures["metrics"]["accuracy"] < figures["metrics"]["majority"]
    ]
    small = [f"- The held-out rows are {metrics['test']['rows']}: read every figure with its interval."]
    return "\n".join([*worse, *small])


def _row(figures: Mapping[str, Any]) -> list[object]:
    names = ("roc_auc", "brier", "accuracy", "balanced_accuracy")
    return [figures["rows"], *(interval_of(figures, name) for name in names), _figure(figures["metrics"]["majority"])]


def _reliability(figures: Mapping[str, Any]) -> list[str]:
    line = [interval_of(figures, name) for name in ("calibration_slope", "calibration_intercept")]
    held = figures.get("conformal", {}).get("0.90")
    new = f"{figures['new']:.0%}"
    if held is None:
        return [*line, "–", "–", new]
    coverage = f"{held['coverage']:.3f} ({held['low']:.3f} to {held['high']:.3f})"
    return [*line, coverage, f"{held['classes']:.2f}", new]


def interval_of(figures: Mapping[str, Any], name: str) -> str:
    """A figure and its 95 % interval; a dash where it was not measured."""
    value = figures.get("metrics", {}).get(name)
    if value is None:
        return "–"
    low, high = figures["intervals"][name]
    return f"{_figure(value)} ({_figure(low)} to {_figure(high)})"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a bar within a cell is no border."""
    lines = [header, ["--"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
