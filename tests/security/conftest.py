"""One open server for all that attack it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.served import Served, served


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An open server without limits; whatever was sent, it serves in the end, in the process it began with."""
    with served(tmp_path_factory.mktemp("target"), "--sample-rate", "1") as server:
        (before,) = server.workers()
        yield server
        assert server.ask("/health/ready").status == 200
        assert [worker.pid for worker in server.workers()] == [before.pid]
        assert "failed" not in server.log()
