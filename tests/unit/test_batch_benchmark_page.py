"""The page of the batch benchmark: verdicts follow the figures, the committed page has the shape that is written."""

from __future__ import annotations

import re

from benchmarks.batch import OURS, PAGE, PYFUNC, SKLEARN, page

FOUR = f"{OURS}, four times"
ROWS = 1_000_000


def written(seconds: float, mib: float) -> str:
    predicted = {
        OURS: [(seconds, 200.0), (9.0, 100.0), (seconds, 200.0)],
        SKLEARN: [(4.0, 900.0)] * 3,
        PYFUNC: [(5.0, 1000.0)] * 3,
        FOUR: [(4 * seconds, mib)] * 3,
    }
    return page(ROWS, predicted, {"validation": 10.0}, {"--quick": (20.0, 700.0)})


def test_figures_and_verdicts() -> None:
    text = written(0.4, 300)
    assert "| rows a second on one core | at least 2,000,000 | 2,500,000 | met |" in text
    assert "| memory, 4,000,000 rows too, MiB | less than 512 | 300 | met |" in text
    assert f"| {SKLEARN} | 1,000,000 | 250,000 | 10.0 | 900 |" in text
    assert f"| {FOUR} | 4,000,000 | 2,500,000 | 1.0 | 300 |" in text
    assert "| validation | 10.0 | 50,000 |" in text
    assert "| --quick | 20 | 700 |" in text
    assert "| --full | not measured |  |" in text


def test_a_target_that_is_missed_is_said_plainly() -> None:
    text = written(1.0, 600)
    assert "| rows a second on one core | at least 2,000,000 | 1,000,000 | **missed** |" in text
    assert "| memory, 4,000,000 rows too, MiB | less than 512 | 600 | **missed** |" in text


def test_the_committed_page_has_the_sections_and_tables_that_are_written() -> None:
    committed, made = PAGE.read_text(encoding="utf-8"), written(0.4, 300)
    for pattern in (r"^## .*$", r"^\| (?:program|step|profile|asked for) .*$"):
        found = [re.sub(r"[\d,]+ rows", "N rows", line) for line in re.findall(pattern, committed, re.MULTILINE)]
        assert found == [re.sub(r"[\d,]+ rows", "N rows", line) for line in re.findall(pattern, made, re.MULTILINE)]
    assert len(re.findall(rf"^\| (?:{OURS}|{SKLEARN}|{PYFUNC}|{FOUR}) \|", committed, re.MULTILINE)) == 4
