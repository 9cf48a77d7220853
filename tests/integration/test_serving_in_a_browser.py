"""The form and the reference in headless Chromium: by keyboard, on a phone, in the dark, and without a complaint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from project.paths import REPORTS
from tests.integration.browser import Browser
from tests.served import Served
from tests.serving_bundle import PENGUIN, ROW

pytestmark = pytest.mark.browser
SCREENSHOTS = REPORTS / "pages"
TAB, ENTER = ("Tab", 9), ("Enter", 13)
TYPED = {
    "age": "63", "sex": "male", "cp": "typ", "trestbps": "145", "chol": "233", "fbs": "yes", "restecg": "left",
    "thalach": "150", "exang": "no", "oldpeak": "2.3", "slope": "fall", "ca": "0", "thal": "fix",
}  # fmt: skip
"""Cleveland's first patient, as a person types him: numbers, and the first letters of what a list offers."""
SPACE = "\N{NO-BREAK SPACE}"
FOCUSED = "document.activeElement.dataset.field ?? document.activeElement.id ?? ''"


def plain(text: str) -> str:
    return text.replace(SPACE, " ")


def shown(browser: Browser, url: str, width: int = 1300, **screen: Any) -> None:
    browser.window(width, 900, **screen)
    browser.open(url)
    browser.wait_until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")


def fill(browser: Browser, values: Mapping[str, str]) -> None:
    """Type a row with nothing but the keyboard, from the top of the page on."""
    browser.value("document.activeElement.blur()")
    for name, text in values.items():
        browser.press(*TAB)
        assert browser.value(FOCUSED) == name
        if text:
            browser.write(text)


def wide(browser: Browser) -> int:
    return int(browser.value("document.documentElement.scrollWidth"))


def test_a_row_by_keyboard(served: Served, browser: Browser) -> None:
    shown(browser, f"{served.url}/")
    fill(browser, TYPED)
    browser.press(*TAB)
    assert browser.value("document.activeElement.textContent") == "Predict"
    browser.press(*ENTER)
    browser.wait_for("API key", "send an API key")
    assert browser.value(FOCUSED) == "key"
    browser.write(served.key)
    browser.press(*ENTER)
    browser.wait_for("What moved it")
    said, answer = plain(browser.text()), served.post("/predict", ROW)
    explanation = served.post("/explain", ROW)
    side = "At or above" if answer["prediction"] else "Below"
    for part in (
        f"{answer['label']}\n",
        f"{answer['probability']:.1%} probability of “disease”".replace("%", " %"),
        f"{side} the threshold of 35.74 %, from which “disease” is answered.",
        f"On 61 held-out rows the answer “{answer['label']}” was right in",
        "95 % interval",
        plain(HELD),
        f"the mean probability of “disease” over {explanation['background_rows']} training rows",
        "heart_disease, version 1. Request ",
    ):
        assert part in said
    figures = browser.value("[...document.querySelectorAll('.contributions .figure')].map(each => each.textContent)")
    assert len(figures) == 7
    largest = float(figures[0].split(" ")[0].replace("\N{MINUS SIGN}", "-"))
    assert largest == pytest.approx(100 * explanation["contributions"][0]["contribution"], abs=1)  # may be estimated
    assert browser.value("getComputedStyle(document.querySelector('.mark')).left") != "auto"
    browser.screenshot(SCREENSHOTS / "form.png", whole=True)
    assert browser.complaints() == []
    assert {address.split("/")[2] for address in browser.requests() if address.startswith("http")} == {
        served.url.removeprefix("http://")
    }


HELD = f"in a set that holds the true class in 90{SPACE}% of rows like the training rows."


def test_which_classes_can_not_be_ruled_out(open_server: Served, browser: Browser) -> None:
    """Both, only one, and only the one that the threshold does not answer."""
    rows = [{**ROW, "cp": 3, "ca": 1, "thalach": rate} for rate in range(40, 231)]
    answers = open_server.post("/predict?interval=0.90", rows)
    told = {
        ("no disease", "disease"): f"No class can be ruled out: “no disease” and “disease” are {HELD}",
        ("disease",): f"Only “disease” is {HELD}",
        ("no disease",): f"Only “no disease” is {HELD} “disease” is answered all the same: the threshold weighs",
    }
    shown(browser, f"{open_server.url}/")
    fill(browser, {**TYPED, "cp": "non", "ca": "1"})
    for labels, said in told.items():
        each = next(
            row for row, answer in zip(rows, answers, strict=True)
            if answer["label"] == "disease" and answer["interval"]["labels"] == list(labels)
        )  # fmt: skip
        browser.value(f"document.querySelector('[data-field=thalach]').value = '{each['thalach']}'")
        browser.value("document.querySelector('button[type=submit]').click()")
        browser.wait_for(said)
    assert browser.complaints() == []


def test_a_value_that_the_model_never_met_is_named(open_server: Served, browser: Browser) -> None:
    shown(browser, f"{open_server.url}/")
    fill(browser, {**TYPED, "age": "119", "chol": "410"})
    browser.press(*TAB)
    browser.press(*ENTER)
    browser.wait_for(f"New to the model: no training row reaches Age 119{SPACE}years.", "Unusual: Serum cholesterol")
    assert "Unusual: Age" not in browser.text()


def test_a_value_out_of_range_is_named_beside_its_field(open_server: Served, browser: Browser) -> None:
    shown(browser, f"{open_server.url}/")
    fill(browser, {**TYPED, "age": "200", "oldpeak": "many"})
    browser.press(*TAB)
    browser.press(*ENTER)
    browser.wait_for("2 values do not fit.")
    assert browser.value(FOCUSED) == "age"
    for name, complaint in {
        "age": "“200” does not fit; allowed: a number from 0 to 120.",
        "oldpeak": "“many” does not fit; allowed: a number from -5 to 10.",
    }.items():
        field = f"document.querySelector('[data-field={name}]')"
        assert browser.value(f"{field}.getAttribute('aria-invalid')") == "true"
        described = f"{field}.getAttribute('aria-describedby').split(' ')"
        assert browser.value(
            f"{described}.some(id => document.getElementById(id).innerText === {json.dumps(complaint)})"
        )
    browser.screenshot(SCREENSHOTS / "form_refused.png", whole=True)
    for _ in range(3):
        browser.press("Backspace", 8)
    browser.write("63")
    assert browser.value("document.querySelector('[data-field=age]').value") == "63"
    assert browser.value("document.querySelectorAll('[aria-invalid]').length") == 1
    assert browser.complaints() == []


def test_three_classes(penguins: Served, browser: Browser) -> None:
    shown(browser, f"{penguins.url}/")
    fill(browser, {name: "" if name == "sex" else str(value) for name, value in PENGUIN.items()})
    browser.press(*TAB)
    browser.press(*ENTER)
    browser.wait_for("What moved it", "Taken as not measured: Sex, from the blood.")
    answer = penguins.post("/predict", {**PENGUIN, "sex": None})
    shares = browser.value("[...document.querySelectorAll('.classes .figure')].map(each => each.textContent)")
    assert len(shares) == len(answer["probabilities"])
    assert browser.value("document.querySelector('.classes .chosen span').textContent") == answer["label"]
    assert "in a set that holds" not in browser.text()  # this bundle has no limits for one
    assert browser.complaints() == []


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(open_server: Served, browser: Browser, path: str, scheme: str) -> None:
    shown(browser, f"{open_server.url}{path}", 375, phone=True, scheme=scheme)
    if path == "/":
        browser.click("Fill in the example")
        browser.click("Predict")
        browser.wait_for("What moved it")
    else:
        browser.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert wide(browser) == 375
    cut = "[...document.querySelectorAll('.wide')].filter(each => each.scrollWidth > each.clientWidth)"
    hint = "getComputedStyle(each.querySelector('caption'), '::after').content"
    assert set(browser.value(f"{cut}.map(each => {hint})")) == {'" · scroll sideways for more"'}
    heights = browser.value("[...document.querySelectorAll('input, select, button')].map(each => each.offsetHeight)")
    assert min(height for height in heights if height) >= 44  # what a thumb hits
    assert float(browser.value("parseFloat(getComputedStyle(document.querySelector('input')).fontSize)")) >= 16
    background = browser.value("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(244, 246, 248)", "dark": "rgb(16, 21, 27)"}[scheme]
    browser.screenshot(SCREENSHOTS / f"{path.strip('/') or 'form'}_phone_{scheme}.png", whole=True)
    assert browser.complaints() == []


def test_the_reference_by_keyboard(served: Served, browser: Browser) -> None:
    shown(browser, f"{served.url}/docs")
    browser.value("document.getElementById('key').focus()")
    browser.write(served.key)
    browser.value("document.querySelector('#post_predict summary').focus()")
    browser.press(*ENTER)
    assert browser.value("document.getElementById('post_predict').open")
    browser.press(*TAB)
    assert browser.value(FOCUSED) == "post_predict-interval"
    browser.press(*TAB)
    assert browser.value(FOCUSED) == "post_predict-body"
    for _ in range(3):
        browser.press(*TAB)
    assert browser.value("document.activeElement.textContent") == "Send"
    browser.press(*ENTER)
    browser.wait_for("200 OK", "x-model-version: 1", '"label": "no disease"')
    curl = browser.value("document.querySelector('#post_predict .curl').textContent")
    assert f"'{served.url}/predict'" in curl
    assert '-H "x-api-key: $API_KEY"' in curl
    assert served.key not in curl
    browser.screenshot(SCREENSHOTS / "docs.png", whole=True)
    browser.value("location.hash = 'schema-Violation'")
    browser.wait_until("document.getElementById('schema-Violation').open")
    assert browser.complaints() == []
    assert all(address.startswith((served.url, "data:")) for address in browser.requests())


def test_the_policy_is_enforced(open_server: Served, browser: Browser) -> None:
    shown(browser, f"{open_server.url}/")
    browser.value(
        "document.head.append(Object.assign(document.createElement('script'), {textContent: 'window.bad = 1'}))"
    )
    assert browser.value("window.bad === undefined")
    assert any("Content Security Policy" in said for said in browser.complaints())
