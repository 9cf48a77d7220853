"""A long step is seen to live: in place on a terminal, by a line now and then elsewhere."""

import logging
import sys

import pytest
from zenml.utils.string_utils import get_human_readable_time

from cli.progress import QUIET, ProgressHandler


def logged(handler: ProgressHandler, name: str, text: str) -> None:
    handler.emit(logging.LogRecord(name, logging.INFO, __file__, 1, text, None, None))


def test_on_a_terminal_a_running_step_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    handler = ProgressHandler()
    logged(handler, "zenml", "Step score_forest has started.")
    logged(handler, "tabular.scoring", "score_forest: 3 of 30 folds")
    logged(handler, "elsewhere", "score_forest: 4 of 30 folds")
    logged(handler, "zenml", "Step score_forest has finished in 12.34s.")
    assert capsys.readouterr().err.splitlines(keepends=True) == [
        "  … score_forest\r",
        "  … score_forest       3 of 30 folds\r",
        "  ✓ score_forest              12.3 s\n",
    ]


def test_a_step_of_minutes_is_seen_to_end(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ProgressHandler()
    for seconds in (59.96, 78.4, 2 * 3600 + 62):
        logged(handler, "zenml", f"Step `score_forest` has finished in {get_human_readable_time(seconds)}.")
    assert capsys.readouterr().err.splitlines() == [
        "  ✓ score_forest              60.0 s",
        "  ✓ score_forest               1m18s",
        "  ✓ score_forest              2h1m2s",
    ]


def test_elsewhere_it_says_so_only_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("cli.progress.time.monotonic", lambda: now)
    handler = ProgressHandler()
    logged(handler, "zenml", "Step score_forest has started.")
    for fold, after in enumerate((QUIET / 2, QUIET + 1, QUIET + 2, 2 * QUIET + 2), start=1):
        now = 100.0 + after
        logged(handler, "tabular.scoring", f"score_forest: {fold} of 30 folds")
    assert capsys.readouterr().err.splitlines() == [
        "  … score_forest       2 of 30 folds",
        "  … score_forest       4 of 30 folds",
    ]
