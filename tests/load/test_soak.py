"""A minute of the soak benchmark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.soak import MOST_GROWTH, soak
from tests.served import served


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk on the path")
def test_a_minute_leaves_no_trace(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as server:
        found = soak(server, minutes=1)
    assert found.failed == 0
    assert found.requests > 1000
    (before, after), (opened, left) = found.memory, found.descriptors
    assert after - before < MOST_GROWTH
    assert left <= opened
