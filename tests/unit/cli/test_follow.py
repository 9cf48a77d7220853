"""What the pods of a run write is said here once; `tests/cluster/test_pods.py` reads that of a real pod."""

from __future__ import annotations

from collections import Counter

import pytest

from cli import follow

LOGS = [
    "Step deploy_champion has started.",
    "\x1b[37mheart_disease canary: v1 90 %, v2 10 %\x1b[0m",
    "[score_forest] score_forest: 3 of 10 folds",
    "\x1b[37mheart_disease canary: v1 50 %, v2 50 %\x1b[0m",
]


def test_a_rollout_s_shares_and_a_search_s_folds_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    told: Counter[str] = Counter()
    caplog.set_level("INFO")
    for end in (0, 2, 2, 4, 4):
        follow._tell({"deploy_champion": LOGS[:end]}, told)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("deployers.rollout", "heart_disease canary: v1 90 %, v2 10 %"),
        ("tabular.scoring", "score_forest: 3 of 10 folds"),
        ("deployers.rollout", "heart_disease canary: v1 50 %, v2 50 %"),
    ]
