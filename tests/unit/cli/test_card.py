"""`run.py status --card FOLDER`: a section as it is measured now, and what is wrong in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli, main
from project.errors import Exit
from project.paths import ROOT
from tabular.bundle import read_bundle, to_json, write_bundle

FOLDER = ROOT / "models/heart_disease"
CARD = ["status", "--card", str(FOLDER)]


def test_one_section_is_printed_as_it_is_measured() -> None:
    done = CliRunner().invoke(cli, [*CARD, "--section", "segments"])
    assert done.exit_code == Exit.DONE
    assert done.stdout.startswith("## Segments of the held-out rows\n\nMeasured anew by `python run.py status --card ")
    assert "\n## " not in done.stdout
    assert "| sex: male | 42 | 0.901 (0.806 to 0.974) |" in done.stdout
    assert done.stderr == "measured now: every figure is that of the bundle\n"


def test_a_card_that_says_more_than_is_true_is_told(tmp_path: Path) -> None:
    bundle = read_bundle(FOLDER)
    metrics = bundle.json("metrics.json")
    metrics["external"]["va"]["metrics"]["accuracy"] = 0.9
    flattered = replace(bundle, content={**bundle.content, "metrics.json": to_json(metrics)})
    write_bundle(flattered, tmp_path / "told")
    done = CliRunner().invoke(cli, ["status", "--card", str(tmp_path / "told"), "--json"])
    assert done.exit_code == Exit.DIFFERENT
    found = json.loads(done.stdout)
    assert found["differences"] == ["external / va / metrics / accuracy: 0.9 in the card, 0.62 now"]
    assert "| va, never seen | 200 | 0.710 (0.630 to 0.782) | 0.285 (0.250 to 0.322) | 0.620 " in found["card"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([*CARD, "--section", "segment"], "a card has no section 'segment'; did you mean 'segments'?"),
        (["status", "--section", "segments"], "--section is of a --card"),
        ([*CARD, "--lineage", "v1"], "give --lineage or --card, not both"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"]) == Exit.USAGE
    assert json.loads(capsys.readouterr().out)["error"] == error
