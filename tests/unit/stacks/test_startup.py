"""What ZenML does in every process, as our runs have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from stacks.startup import lighten_zenml


@pytest.mark.parametrize(
    ("asked", "waits"), [pytest.param(60, 10_000, id="as ZenML asks"), pytest.param(2, 2_000, id="less is left")]
)
def test_a_locked_database_is_waited_for_ten_seconds(tmp_path: Path, asked: float, waits: int) -> None:
    lighten_zenml()
    engine = create_engine(f"sqlite:///{tmp_path}/store.db", connect_args={"timeout": asked})
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == waits
    engine.dispose()
