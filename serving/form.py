"""`GET /`: a form for one row, made from the contract of the model that serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from serving.bundle import Model
from serving.columns import Column
from serving.evidence import notes, section
from serving.http import Answer
from serving.markup import Markup, join, page, tag
from serving.problems import SHOWN

NOT_MEASURED = "not measured"
LEVEL = "0.90"
"""Coverage of the set of classes that the answer is shown with, where the bundle has limits for one."""


def form(model: Model) -> Answer:
    """The page of one version."""
    contract = model.contract
    title = contract["title"]
    positive = model.classes[-1] if model.threshold is not None else None
    head = tag(
        "header",
        tag("h1", title),
        tag("p", contract["description"], class_="lead") if contract["description"] else join(),
        tag("p", f"Predicts: {contract['target']} ({', '.join(model.classes)}).", class_="fine"),
    )
    fields = tag(
        "form",
        tag("h2", "The row"),
        tag("p", "Leave empty what was not measured.", class_="fine") if _any_nullable(model) else join(),
        tag("div", id="alert", class_="alert", role="alert", tabindex="-1", hidden=True),
        tag("div", *(_field(index, *pair) for index, pair in enumerate(_pairs(model))), class_="fields"),
        key_field(hidden=True),
        tag(
            "div",
            tag("button", "Predict", type="submit", class_="primary"),
            tag("button", "Fill in the example", type="button", id="example"),
            tag("button", "Clear", type="reset"),
            class_="actions",
        ),
        tag("noscript", tag("p", "This form sends JSON, for which it needs JavaScript.", class_="alert")),
        id="form",
        class_="card",
        novalidate=True,
        autocomplete="off",
        data_example=json.dumps(model.serving["example"]["row"]),
        data_version=model.version,
        data_threshold=None if model.threshold is None else repr(model.threshold),
        data_positive=positive,
        data_classes=json.dumps(list(model.classes)),
        data_notes=json.dumps(notes(model)),
        data_level=LEVEL if LEVEL in model.serving.get("conformal", {}) else None,
    )
    result = tag(
        "section",
        tag("h2", "The answer", id="answer"),
        tag("div", tag("p", "It stands here once the row is sent.", class_="fine"), id="result", aria_live="polite"),
        class_="card result",
        aria_labelledby="answer",
    )
    both = tag("div", fields, tag("div", result, section(model), class_="column"), class_="columns")
    return page(title, "form.js", head, tag("main", both), _footer(model))


def key_field(*, hidden: bool) -> Markup:
    """Where a person writes the API key; the script keeps it in memory only."""
    return tag(
        "div",
        tag("label", "API key", for_="key"),
        tag("input", id="key", type="password", autocomplete="off", spellcheck="false", aria_describedby="key-hint"),
        tag("p", "Sent with each request, forgotten when the page is left.", id="key-hint", class_="fine"),
        id="access",
        class_="field access",
        hidden=hidden,
    )


def _pairs(model: Model) -> list[tuple[Column, Mapping[str, Any]]]:
    return list(zip(model.rows.columns, _features(model), strict=True))


def _features(model: Model) -> list[dict[str, Any]]:
    """The contract's features, those of numbers with the range in which 98 % of the training rows were."""
    quantiles = model.serving.get("quantiles", {})
    return [{**feature, "quantiles": quantiles.get(feature["name"])} for feature in model.contract["features"]]


def _any_nullable(model: Model) -> bool:
    return any(column.nullable for column in model.rows.columns)


def _field(index: int, column: Column, feature: Mapping[str, Any]) -> Markup:
    own = f"field-{index}"
    hint = _hint(column)
    described = f"{own}-error {own}-hint" if hint else f"{own}-error"
    label = [tag("span", feature["description"] or column.name)]
    if not column.nullable:
        label.append(tag("span", "required", class_="required"))
    common: dict[str, str | bool | None] = {
        "id": own,
        "data_field": column.name[:SHOWN],
        "name": column.name,
        "required": not column.nullable,
        "aria_describedby": described,
    }
    chosen = column.type in ("category", "boolean")
    control = tag("select", *_options(column), **common) if chosen else _number(column, feature, common)
    return tag(
        "div",
        tag("label", *label, for_=own),
        control,
        tag("p", hint, id=f"{own}-hint", class_="fine") if hint else join(),
        tag("p", id=f"{own}-error", class_="error", hidden=True),
        class_="field",
    )


def _number(column: Column, feature: Mapping[str, Any], common: Mapping[str, str | bool | None]) -> Markup:
    """A text field: one of type `number` would keep from the script what it can not read, which is not 'missing'."""
    unsigned = column.minimum is not None and column.minimum >= 0
    keyboard = ("numeric" if column.type == "integer" else "decimal") if unsigned else "text"
    usual = feature["quantiles"]
    field = tag(
        "input",
        type="text",
        inputmode=keyboard,
        placeholder=NOT_MEASURED if column.nullable else None,
        data_low=str(usual[0]) if usual else None,
        data_high=str(usual[-1]) if usual else None,
        **common,
    )
    unit = tag("span", feature["unit"], class_="unit") if feature["unit"] else join()
    return tag("div", field, unit, class_="number")


def _options(column: Column) -> list[Markup]:
    """The values as JSON, with what they mean; first the one of a field that nobody filled in."""
    codes: list[tuple[Any, str]] = [(True, "yes"), (False, "no")]
    if column.type == "category":
        labels = [str(label) for label in column.labels or column.codes]
        codes = [pair for pair in zip(column.codes, labels, strict=True) if pair[0] not in column.missing]
    empty = NOT_MEASURED if column.nullable else "choose …"
    return [
        tag("option", empty, value=""),
        *(tag("option", label, value=json.dumps(code)) for code, label in codes),
    ]


def _hint(column: Column) -> str:
    """The numbers that are allowed; a select box shows its own."""
    if column.type in ("category", "boolean"):
        return ""
    low, high = column.minimum, column.maximum
    limits = (
        f"{low:g} to {high:g}"
        if low is not None and high is not None
        else f"{low:g} or more"
        if low is not None
        else f"up to {high:g}"
        if high is not None
        else ""
    )
    parts = ["whole number" if column.type == "integer" else "" if limits else "number", limits]
    said = ", ".join(part for part in parts if part)
    codes = dict.fromkeys(f"{code:g}" if isinstance(code, int | float) else str(code) for code in column.missing)
    return f"{said}; {' or '.join(codes)} means {NOT_MEASURED}" if codes and column.nullable else said


def _footer(model: Model) -> Markup:
    source = model.contract["source"]
    page_of_source = source["page"]
    api = tag("a", "For programs: the API", href="docs")
    linked = page_of_source.startswith(("https://", "http://"))
    return tag(
        "footer",
        tag("p", f"{model.name}, version {model.version}, digest {model.digest[:12]}. ", api),
        tag(
            "p",
            f"Data: {source['citation']} Licence: {source['licence']}. ",
            tag("a", "Source", href=page_of_source, rel="noreferrer") if linked else join(),
        ),
    )
