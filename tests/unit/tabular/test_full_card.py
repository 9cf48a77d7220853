"""The card of a version: origin, use, commands, and reporting items ticked where a section answers them."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from click.testing import CliRunner

from cli.main import cli
from tabular.bundle import to_json
from tabular.full_card import MEASURED, full_card, sections_of
from tabular.packaging import Packaged
from tabular.tripod import ITEMS, Item, answered
from tests.unit.tabular.conftest import Data

PROVENANCE = {"commit": "c" * 40, "created": "2026-01-02T03:04:05+00:00", "zenml_run": "run", "data_md5": "d.dir"}


@pytest.fixture(scope="module")
def card(heart: Data, heart_packaged: Packaged) -> str:
    return full_card(heart.contract, heart_packaged.with_provenance(PROVENANCE), "v7")


def test_every_main_item_is_there_once() -> None:
    assert sorted({int(re.match(r"\d+", item.number)[0]) for item in ITEMS}) == list(range(1, 28))  # type: ignore[index]
    assert len({item.number for item in ITEMS}) == len(ITEMS) == 52
    assert all((item.place is None) == bool(item.reason) for item in ITEMS)


def test_a_tick_needs_the_section_it_names() -> None:
    items = [Item("1", "a", ""), Item("2", "b", "Figures"), Item("3", "c", "Costs"), Item("4", "d", None, "none")]
    assert [(item.number, done, place) for item, done, place in answered(["Figures"], items)] == [
        ("1", True, "above"),
        ("2", True, "Figures"),
        ("3", False, "this card has no section 'Costs'"),
        ("4", False, "none"),
    ]


def test_items_of_the_card(card: str) -> None:
    assert "38 of 52 are answered;" in card
    assert "| 14 | fairness | ✓ | Segments of the held-out rows |" in card
    assert "| 17 | ethical approval | ✓ | Ethics |" in card
    assert "| 18a | funding | – | not stated in the contract |" in card
    assert "has no section" not in card


def test_a_model_without_segments_does_not_claim_fairness(penguins: Data, penguins_packaged: Packaged) -> None:
    bundle = penguins_packaged.bundle
    text = re.sub(r"## Segments.*?(?=## What it)", "", bundle.content["model_card.md"].decode(), flags=re.DOTALL)
    without = replace(bundle, content={**bundle.content, "model_card.md": text.encode()})
    found = full_card(penguins.contract, without, "v1")
    assert "| 14 | fairness | – | this card has no section 'Segments of the held-out rows' |" in found


def test_the_version_and_where_it_comes_from(card: str, heart_packaged: Packaged) -> None:
    assert f"| bundle digest | {heart_packaged.bundle.digest} |" in card
    assert "| version | heart_disease v7 |" in card
    assert f"| commit | {'c' * 40} |" in card
    assert "| data, DVC | d.dir |" in card


def test_the_use_it_is_meant_for(card: str, penguins: Data, penguins_packaged: Packaged) -> None:
    assert "- Not for: Diagnosis, triage or treatment of anyone" in card
    assert "- Meant for: Not stated in the contract." in full_card(penguins.contract, penguins_packaged.bundle, "v1")


def test_what_a_contract_does_not_say_of_ethics_is_not_ticked(penguins: Data, penguins_packaged: Packaged) -> None:
    found = full_card(penguins.contract, penguins_packaged.bundle, "v1")
    assert "| 17 | ethical approval | – | this card has no section 'Ethics' |" in found


def test_every_section_with_figures_has_a_command_that_measures_it(card: str) -> None:
    parts = sections_of(card)
    for section, heading in MEASURED.items():
        first, _, _ = parts[heading].partition("\n")
        command = f"python run.py status --card v7 --dataset heart_disease --section {section}"
        assert first == f"Measured anew by `{command}`."
    trained = "python run.py train --dataset heart_disease --quick --no-cache --json"
    assert parts["Model"].startswith(f"Trained anew, with the threshold above, by `{trained}`.\n")
    named = {*MEASURED.values(), "Model", "Inputs", "Data", "Use", "Ethics", "Version", "Check these figures"}
    assert {*parts} - named == {"Reporting items (TRIPOD+AI)"}


def test_the_command_for_the_same_digest_searches_what_was_searched(heart: Data, heart_packaged: Packaged) -> None:
    bundle = heart_packaged.bundle
    figures = bundle.json("metrics.json")
    nested = {"optimism": {"apparent": 0.37, "nested": 0.38, "chosen": ["logistic"]}}
    full = replace(bundle, content={**bundle.content, "metrics.json": to_json({**figures, **nested})})
    for each, profile in ((bundle, "--quick"), (full, "--full")):
        commands = sections_of(full_card(heart.contract, each, "v1"))["Check these figures"]
        trained = f"train --dataset heart_disease {profile} --no-cache --json"
        assert f"| the same digest, from the rows on | `python run.py {trained}` |" in commands


def test_the_commands_are_commands(card: str) -> None:
    commands = re.findall(r"`python run\.py ([^`]+)`", card)
    assert len(commands) == len(MEASURED) + 7
    for command in commands:
        done = CliRunner().invoke(cli, [*shlex.split(command), "--help"])
        assert done.exit_code == 0, command


def test_a_card_of_a_folder_names_no_lineage(heart: Data, heart_packaged: Packaged) -> None:
    found = full_card(heart.contract, heart_packaged.bundle, "models/heart_disease")
    assert "--lineage" not in found
    assert "| `python run.py status --card models/heart_disease --dataset heart_disease` |" in found


def test_the_bundle_s_own_card_is_in_it(card: str, heart_packaged: Packaged) -> None:
    own = sections_of(heart_packaged.bundle.content["model_card.md"].decode())
    parts = sections_of(card)
    assert list(parts)[: len(own)] == list(own)
    assert all(parts[heading].endswith(text) for heading, text in own.items())
    assert list(parts)[len(own) :] == [
        *("Further figures", "What acting on it gives", "Use", "Ethics", "Version", "Check these figures"),
        "Reporting items (TRIPOD+AI)",
    ]


def test_figures_measured_now_take_the_place_of_those_of_the_bundle(heart: Data, heart_packaged: Packaged) -> None:
    metrics = heart_packaged.bundle.json("metrics.json")
    test = {**metrics["test"], "rows": 7}
    found = full_card(heart.contract, heart_packaged.bundle, "v1", {**metrics, "test": test})
    assert "| cleveland, held out | 7 |" in sections_of(found)["Figures"]
    assert "| cleveland, held out | 7 |" in sections_of(found)["Further figures"]
