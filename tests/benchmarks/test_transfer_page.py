"""docs/transfer.md says what `benchmarks.transfer` measures: a part of it anew here, all of it with --slow."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest

from benchmarks.transfer import (
    ADAPTED,
    AS_TRAINED,
    ASKED,
    PAGE,
    PROTOCOLS,
    Answers,
    Measured,
    Sites,
    command_makes,
    compare,
    measure,
    own_labels,
    page,
    skill,
    techniques,
)
from project.paths import ROOT
from tabular.contract import load_contract

TOLERANCE = 0.01
LINE = re.compile(r"^### (?P<site>\w+), learnt at (?P<protocol>.+) \(|^\| (?P<cells>.+) \|$", re.MULTILINE)


NUMBER = re.compile(r"-?\d+\.\d+")


def committed() -> dict[tuple[str, str, str], list[list[float]]]:
    """By protocol, site and technique: AUC, Brier skill, balanced accuracy, accuracy and the gains, each with its
    interval, then the share.
    """
    found, place = {}, ("", "")
    for match in LINE.finditer(PAGE.read_text(encoding="utf-8").partition("## Figures")[2]):
        if match["site"]:
            place = (match["protocol"], match["site"])
        elif (cells := match["cells"].split(" | "))[0] in techniques():
            found[*place, cells[0]] = [[float(number) for number in NUMBER.findall(cell)] for cell in cells[1:]]
    return found


def agrees(measured: Iterable[Measured]) -> int:
    said_of, count = committed(), 0
    for one in measured:
        figures = [*one.figures.values(), *one.gains.values()]
        seen = [*([figure.value, figure.low, figure.high] for figure in figures), [one.share]]
        for said, found in zip(said_of[one.protocol, one.site, one.technique], seen, strict=True):
            assert said == pytest.approx(found, abs=TOLERANCE), (one.site, one.technique)
        count += 1
    return count


@pytest.fixture(scope="module")
def sites() -> Sites:
    return Sites(load_contract("heart_disease"))


def test_what_is_shipped_measures_as_the_page_says(sites: Sites) -> None:
    assert agrees(measure(sites, [AS_TRAINED, ADAPTED], PROTOCOLS[:1])) == 6


def test_a_model_of_the_site_s_own_labels_measures_as_the_page_says(sites: Sites) -> None:
    found = own_labels(sites, "switzerland")
    said = re.search(r"^\| switzerland \| AUC .*\| ([^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert said is not None
    numbers = [float(number) for number in NUMBER.findall(said[1])]
    assert numbers == pytest.approx([found.value, found.low, found.high], abs=TOLERANCE)


def test_what_the_command_makes_measures_as_the_page_says(sites: Sites) -> None:
    """At the site where it does worst, which the page says."""
    found = command_makes(sites, "switzerland")
    part = PAGE.read_text(encoding="utf-8").partition("## What the command makes")[2].partition("## Figures")[0]
    (line,) = re.findall(r"^\| switzerland \| .*$", part, re.MULTILINE)
    figures = [*found.figures.values(), *found.gains.values()]
    seen = [number for figure in figures for number in (figure.value, figure.low, figure.high)]
    assert [float(number) for number in NUMBER.findall(line)] == pytest.approx([*seen, found.share], abs=TOLERANCE)
    assert found.figures["Brier skill"].value < 0
    assert "Its Brier skill is not above 0 at: switzerland." in part


@pytest.mark.slow
def test_the_whole_page_measures_as_it_says(sites: Sites) -> None:
    measured = list(measure(sites, list(techniques())))
    assert agrees(measured) == len(committed()) == 7 * len(techniques())
    made, said = page(sites, measured), PAGE.read_text(encoding="utf-8")
    assert NUMBER.sub("#", made) == NUMBER.sub("#", said)
    assert [float(n) for n in NUMBER.findall(made)] == pytest.approx(
        [float(n) for n in NUMBER.findall(said)], abs=TOLERANCE
    )


def test_the_technique_of_the_command_beats_the_site_s_own_prevalence_everywhere(sites: Sites) -> None:
    """On all labelled rows; and what was asked for but not reached stands there as missed."""
    said_of = committed()
    for protocol, site, _ in sites.settings():
        skills = [said_of[protocol, site, name][1][0] for name in (ADAPTED, AS_TRAINED)]
        assert skills[0] > 0, (protocol, site)
        assert skills[0] > skills[1] - TOLERANCE, (protocol, site)
    missed = {site for site, least in ASKED.items() if said_of[PROTOCOLS[1], site, ADAPTED][0][0] < least}
    said = PAGE.read_text(encoding="utf-8")
    assert {site for site in ASKED if re.search(rf"\| {site} \| AUC .*\*\*missed\*\*", said)} == missed
    assert missed == {"switzerland", "va"}


def test_the_skill_of_the_site_s_own_share_is_none() -> None:
    truth = np.array([0, 1, 1, 1])
    assert skill(Answers(truth, np.tile([0.25, 0.75], (4, 1)), np.array([0.25, 0.75]))) == pytest.approx(0)
    assert skill(Answers(truth, np.eye(2)[truth], np.array([0.25, 0.75]))) == 1


def test_a_gain_over_oneself_is_none_on_every_sample() -> None:
    draw = np.random.default_rng(1)
    positive = draw.random(60)
    answers = Answers((draw.random(60) < positive).astype(int), np.column_stack([1 - positive, positive]), np.ones(2))
    figures, gains = compare(answers, answers)
    assert figures["AUC"].low < figures["AUC"].value < figures["AUC"].high
    assert {(gain.value, gain.low, gain.high) for gain in gains.values()} == {(0, 0, 0)}


def test_the_page_is_of_the_shape_that_is_generated() -> None:
    template = (ROOT / "benchmarks" / "transfer.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## .*$", template, re.MULTILINE)
    assert "## What was asked for, and what was reached" in sections
    assert re.findall(r"^## .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == sections
