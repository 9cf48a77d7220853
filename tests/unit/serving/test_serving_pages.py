"""The pages: what they say comes from the bundle, nothing in it becomes code, and they name no other host."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from project.paths import ROOT
from serving import static
from serving.bundle import Model, load
from serving.evidence import notes, wilson
from serving.markup import POLICY, tag
from tests.unit.serving.conftest import Asker, asker

BUNDLE = ROOT / "models" / "heart_disease"
EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Elements of a page with their attributes, and its text."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\N{NO-BREAK SPACE}", " ")

    def named(self, element: str) -> Iterator[dict[str, str | None]]:
        return (attributes for found, attributes in self.elements if found == element)

    def field(self, name: str) -> dict[str, str | None]:
        return next(each for tag, each in self.elements if tag in ("input", "select") and each.get("name") == name)

    def options(self, name: str) -> list[str | None]:
        place = next(at for at, (tag, each) in enumerate(self.elements) if tag == "select" and each["name"] == name)
        values = []
        for element, attributes in self.elements[place + 1 :]:
            if element != "option":
                break
            values.append(attributes["value"])
        return values


@pytest.fixture(scope="module")
def released() -> Model:
    """The bundle that the project ships, which has figures of held-out rows."""
    return load(BUNDLE, "7", json.loads((BUNDLE / "manifest.json").read_text())["digest"])


def seen(ask: Asker, path: str) -> Page:
    answer = ask(path, method="GET")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    return Page(answer.body)


def test_the_form_has_a_field_for_every_column(released: Model, tmp_path: Path) -> None:
    page = seen(asker(released, tmp_path), "/")
    assert [each["data-field"] for _, each in page.elements if "data-field" in each] == released.rows.names
    age, chol = page.field("age"), page.field("chol")
    assert (age["inputmode"], "required" in age, age.get("placeholder")) == ("decimal", True, None)
    assert (age["data-low"], age["data-high"]) == ("34.41", "72.77")
    assert ("required" in chol, chol["placeholder"]) == (False, "not measured")
    assert page.field("oldpeak")["inputmode"] == "text"  # it may be negative, and phones' number keys have no minus
    assert page.field("ca")["inputmode"] == "numeric"
    assert page.options("cp") == ["", "1", "2", "3", "4"]
    assert page.options("fbs") == ["", "true", "false"]
    for said in (
        "Heart disease (UCI)",
        "Predicts: Diameter narrowing above 50 % in a major vessel (no disease, disease).",
        "Serum cholesterol",
        "mg/dl",
        "60 to 700; 0 means not measured",
        "whole number, 0 to 3",
        "non-anginal pain",
        "heart_disease, version 7, digest " + released.digest[:12],
        "Made to support a decision by a person who knows its limits, not to take it.",
    ):
        assert said in page.text


def test_labels_hints_and_problems_belong_to_their_fields(ask_flowers: Asker) -> None:
    page = seen(ask_flowers, "/")
    ids = [each["id"] for _, each in page.elements if "id" in each]
    assert len(ids) == len(set(ids))
    labelled = {each["for"] for each in page.named("label")}
    for tagged, each in page.elements:
        if tagged in ("input", "select"):
            assert each["id"] in labelled
            assert set((each["aria-describedby"] or "").split()) <= set(ids)


def test_the_form_of_flowers(ask_flowers: Asker, flowers: Model) -> None:
    page = seen(ask_flowers, "/")
    assert page.options("colour") == ["", '"red"', '"white"', '"yellow"']
    assert ("required" in page.field("wild"), page.options("wild")) == (True, ["", "true", "false"])
    assert "Predicts: kind (daisy, rose, tulip)." in page.text
    assert "number; -1 or none means not measured" in page.text
    assert "is not known here" in page.text
    assert not re.search("heart|disease|patient|medical", page.text)
    (form,) = page.named("form")
    assert ("data-threshold" in form, "data-positive" in form) == (False, False)
    assert json.loads(form["data-example"] or "") == flowers.serving["example"]["row"]
    assert json.loads(form["data-classes"] or "") == ["daisy", "rose", "tulip"]


def test_how_often_each_answer_was_right(released: Model) -> None:
    figures = released.metrics["test"]["metrics"]
    healthy, ill = (note.replace("\N{NO-BREAK SPACE}", " ") for note in notes(released))
    assert healthy.startswith(
        "On 61 held-out rows the answer “no disease” was right in 23 of 27 cases (85 %; 95 % interval 68 % to 94 %)."
    )
    assert ill.startswith("On 61 held-out rows the answer “disease” was right in 24 of 34 cases (71 %;")
    assert pytest.approx(figures["accuracy"], abs=1e-6) == (23 + 24) / 61


def test_figures_and_warnings_are_the_bundles(released: Model, tmp_path: Path) -> None:
    text = seen(asker(released, tmp_path), "/").text
    assert "Brier score 0.153 (0.102 to 0.206). 0 would be perfect; always giving the shares" in text
    assert "gets 0.248." in text  # 0.459016 * 0.540984
    assert "Not for rows like those of va as it is: right in 62 % of them, always giving the most frequent" in text
    assert "Not for rows like those of hungarian" not in text


def test_the_interval_is_wilsons() -> None:
    assert wilson(24, 34) == pytest.approx((0.53831, 0.83171), abs=1e-4)  # scipy.stats.binomtest(24, 34), wilson
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)


@pytest.mark.parametrize(("recall", "said"), [(0.0, "the answer “disease” was never given."), (None, "in 47 of 61")])
def test_an_answer_that_was_never_given_and_figures_without_recall(
    released: Model, recall: float | None, said: str
) -> None:
    test = released.metrics["test"]
    figures = {**test["metrics"], "sensitivity": recall, "specificity": 1.0}
    assert said in notes(dataclasses.replace(released, metrics={"test": {**test, "metrics": figures}}))[-1]


def test_nothing_in_a_contract_becomes_code(released: Model, tmp_path: Path) -> None:
    features = [
        {**feature, "description": EVIL, "unit": EVIL, "labels": [EVIL for _ in feature["labels"]]}
        for feature in released.contract["features"]
    ]
    source = {"page": 'javascript:alert("x")', "licence": EVIL, "citation": EVIL}
    changed = {"title": EVIL, "description": EVIL, "target": EVIL, "source": source, "features": features}
    columns = [dataclasses.replace(column, labels=[EVIL for _ in column.labels]) for column in released.rows.columns]
    rows = type(released.rows)(columns)
    metrics = {"test": {**released.metrics["test"], "shares": {EVIL: 0.459016}}}
    contract = {**released.contract, **changed}
    evil = dataclasses.replace(released, contract=contract, rows=rows, classes=[EVIL, EVIL], metrics=metrics)
    for path in ("/", "/docs"):
        page = seen(asker(evil, tmp_path), path)
        assert EVIL in page.text
        assert list(page.named("img")) == []
        assert [each["src"] for each in page.named("script")] == [
            static.address("form.js" if path == "/" else "docs.js")
        ]
        assert not any((each.get("href") or "").startswith("javascript:") for each in page.named("a"))


def test_markup_is_escaped_once() -> None:
    assert tag("p", "a < b", tag("b", '"'), title='"', hidden=True, id=None) == (
        '<p title="&quot;" hidden>a &lt; b<b>&quot;</b></p>'
    )


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_are_strict_and_name_no_other_host(ask: Asker, path: str) -> None:
    answer = ask(path, method="GET")
    assert answer.headers["content-security-policy"] == POLICY
    page = Page(answer.body)
    assert not any(name == "style" or name.startswith("on") for _, each in page.elements for name in each)
    assert list(page.named("style")) == []
    (viewport,) = (each["content"] for each in page.named("meta") if each.get("name") == "viewport")
    assert viewport == "width=device-width, initial-scale=1"
    loaded = [
        each.get("src") or each.get("href") or "" for tagged, each in page.elements if tagged in ("script", "link")
    ]
    assert len(loaded) == 3
    for address in loaded:
        assert address == "data:," or ask(f"/{address}", method="GET").status == 200
    scripts = [static.read(name).content.decode() for name in static.TYPES]
    assert not any(re.search(r"https?://|//[a-z]+\.[a-z]|innerHTML|localStorage|cookie", script) for script in scripts)


def test_a_file_has_its_type_and_an_address_of_its_own(ask: Asker) -> None:
    for name, content_type in static.TYPES.items():
        answer = ask(f"/{static.address(name)}", method="GET")
        digest = hashlib.sha256((ROOT / "serving" / "static" / name).read_bytes()).hexdigest()
        assert (answer.status, answer.headers["content-type"]) == (200, content_type.decode())
        assert answer.headers["etag"] == f'"{digest}"'
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert static.address(name) == f"static/{name}?v={digest[:12]}"
        head = ask(f"/static/{name}", method="HEAD")
        assert (head.body, head.headers["content-length"]) == (b"", str(len(answer.body)))


@pytest.mark.parametrize(
    "name", ["__init__.py", "..", "../app.py", "..%2fapp.py", "%2e%2e", "/etc/passwd", "form.JS", ""]
)
def test_no_other_file_is_read(ask: Asker, name: str) -> None:
    assert ask(f"/static/{name}", method="GET").status == 404


def test_a_near_name_is_offered(ask: Asker) -> None:
    assert ask("/static/from.js", method="GET").json["detail"] == "there is no file 'from.js', did you mean 'form.js'?"


def test_docs_have_every_operation_of_the_document(ask: Asker, heart: Model) -> None:
    page = seen(ask, "/docs")
    document: dict[str, Any] = ask("/openapi.json", method="GET").json
    operations = {
        (method.upper(), path, operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    tried = [(each["data-method"], each["data-path"]) for each in page.named("form")]
    assert sorted(tried) == sorted((method, path) for method, path, _ in operations)
    ids = {each["id"] for _, each in page.elements if "id" in each}
    assert {own for _, _, own in operations} <= ids
    links = {(each["href"] or "")[1:] for each in page.named("a") if (each["href"] or "").startswith("#")}
    assert links
    assert links <= ids
    assert f'"age": {heart.serving["example"]["row"]["age"]}' in page.text
    assert "A number from 60 to 700, or null. Unit: mg/dl." in page.text
    assert "One of 1 (typical angina), 2 (atypical angina)" in page.text


def test_there_is_no_page_while_no_model_serves(ask_nothing: Asker) -> None:
    assert ask_nothing("/", method="GET").status == 503
