"""A certificate that is renewed, by whatever steps; tests/security renews one of a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serving import tls


class Context:
    """Loads any file that is there."""

    def __init__(self) -> None:
        self.loaded: asyncio.Queue[str] = asyncio.Queue()

    def load_cert_chain(self, certificate: Path, key: Path) -> None:
        self.loaded.put_nowait(certificate.read_text() + key.read_text())


def test_a_file_that_is_away_for_a_moment_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_text("old ")
    key.write_text("key")
    context = Context()
    monkeypatch.setattr(tls, "RELOAD", 0.0)
    monkeypatch.setattr(tls, "_context", Context().load_cert_chain)
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: path == certificate or exists(path))  # it goes between two looks

    async def renew() -> str:
        watching = asyncio.create_task(tls.follow([context], certificate, key))  # type: ignore[list-item]
        await asyncio.sleep(0.01)
        certificate.unlink()
        await asyncio.sleep(0.01)
        certificate.write_text("new ")
        found = await asyncio.wait_for(context.loaded.get(), 10)
        watching.cancel()
        return found

    assert asyncio.run(renew()) == "new key"
