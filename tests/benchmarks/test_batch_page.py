"""The page of the batch benchmark: verdicts follow the figures, and the committed page is that of the kept figures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import batch
from benchmarks.batch import MEASURED, OURS, PAGE, PYFUNC, SKLEARN, page

FOUR = f"{OURS}, four times"


def measured(seconds: float, mib: float) -> dict[str, Any]:
    programs = {
        OURS: {"seconds": seconds, "mib": 200.0},
        SKLEARN: {"seconds": 4.0, "mib": 900.0},
        PYFUNC: {"seconds": 5.0, "mib": 1000.0},
        FOUR: {"seconds": 4 * seconds, "mib": mib},
    }
    return {
        "predictions": {"machine": "one", "rows": 1_000_000, "rounds": 2, "programs": programs},
        "table": {"machine": "two", "steps": {"validation": 10.0}},
        "training": {"machine": "three", "profiles": {"--quick": {"seconds": 20.0, "mib": 700.0}}},
    }


def test_figures_and_verdicts() -> None:
    text = page(measured(0.4, 300))
    assert "| rows a second on one core | at least 2,000,000 | 2,500,000 | met |" in text
    assert "| memory, 4,000,000 rows too, MiB | less than 512 | 300 | met |" in text
    assert f"| {SKLEARN} | 1,000,000 | 250,000 | 10.0 | 900 |" in text
    assert f"| {FOUR} | 4,000,000 | 2,500,000 | 1.0 | 300 |" in text
    assert "| validation | 10.0 | 50,000 |" in text
    assert "| --quick | 20 | 700 |" in text
    assert "| --full | not measured |  |" in text
    assert "-m benchmarks.batch --rows 1000000 --rounds 2\n" in text


def test_a_target_that_is_missed_is_said_plainly() -> None:
    text = page(measured(1.0, 600))
    assert "| rows a second on one core | at least 2,000,000 | 1,000,000 | **missed** |" in text
    assert "| memory, 4,000,000 rows too, MiB | less than 512 | 600 | **missed** |" in text


def test_the_committed_page_is_what_the_kept_figures_make() -> None:
    assert page(json.loads(MEASURED.read_text(encoding="utf-8"))) == PAGE.read_text(encoding="utf-8")


def test_a_part_measured_alone_keeps_the_others_and_what_came_before_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trainings(_: Path) -> Any:
        yield "--quick", {"seconds": 30.0, "mib": 800.0}
        raise SystemExit("--full failed")

    before = measured(0.4, 300)
    for name, value in (("MEASURED", tmp_path / "batch.json"), ("PAGE", tmp_path / "batch.md")):
        monkeypatch.setattr(batch, name, value)
    batch.MEASURED.write_text(json.dumps(before), encoding="utf-8")
    monkeypatch.setattr(batch, "trainings", trainings)
    monkeypatch.setattr(sys, "argv", ["batch", "--only", "training"])
    with pytest.raises(SystemExit, match="--full failed"):
        batch.main()
    kept = json.loads(batch.MEASURED.read_text(encoding="utf-8"))
    assert kept["training"]["profiles"] == {"--quick": {"seconds": 30.0, "mib": 800.0}}
    assert {part: kept[part] for part in ("predictions", "table")} == {
        part: before[part] for part in ("predictions", "table")
    }
    assert "| --quick | 30 | 800 |" in batch.PAGE.read_text(encoding="utf-8")
