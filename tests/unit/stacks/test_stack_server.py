"""Which ZenML server a process talks to."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stacks.server import _user_id


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_first_uses_at_once_are_one_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(16) as pool:
        for fresh in range(200):
            home = tmp_path / str(fresh)
            monkeypatch.setenv("ZENML_CONFIG_PATH", str(home))
            (one,) = set(pool.map(lambda _: _user_id(), range(16)))
            assert [path.name for path in home.iterdir()] == ["config.yaml"]
            assert (home / "config.yaml").read_text() == f"user_id: {one}\n"
