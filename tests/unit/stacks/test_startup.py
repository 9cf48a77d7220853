"""What ZenML does in every process, as our runs have it."""

from __future__ import annotations

from pathlib import Path

from stacks.startup import wait_less


def test_a_locked_database_is_waited_for_ten_seconds(tmp_path: Path) -> None:
    from zenml.zen_stores.sql_zen_store import SqlZenStoreConfiguration

    store = SqlZenStoreConfiguration(url=f"sqlite:///{tmp_path}/zenml.db")
    for _ in range(2):  # said twice, it is done once
        wait_less()
        url, connect, _ = store.get_sqlalchemy_config()
        assert (url.database, connect) == (f"{tmp_path}/zenml.db", {"check_same_thread": False, "timeout": 10.0})
