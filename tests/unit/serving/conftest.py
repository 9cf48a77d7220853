"""Real models, and the application driven as a server drives it, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.app import App
from serving.bundle import Model, load
from serving.metrics import Metrics
from serving.plan import Routing
from serving.traffic import TrafficTable
from tests.served import Answer
from tests.serving_bundle import flower_bundle, heart_bundle


@dataclass(frozen=True)
class Asker:
    """Sends requests to an application."""

    app: App

    def __call__(
        self,
        path: str = "/predict",
        body: object = b"",
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        chunk: int | None = None,
    ) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        return asyncio.run(self._ask(path, data, method, given, chunk or len(data) or 1))

    async def _ask(self, path: str, body: bytes, method: str, headers: Mapping[str, str], chunk: int) -> Answer:
        parts = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
        await self.app(scope, receive, send)
        start, end = sent
        returned = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answer(start["status"], returned, end["body"])


@pytest.fixture(scope="session")
def heart_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("heart")
    return folder, heart_bundle(folder)


@pytest.fixture(scope="session")
def heart(heart_folder: tuple[Path, str]) -> Model:
    return load(heart_folder[0], "7", heart_folder[1])


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("flowers")
    return load(folder, "1", flower_bundle(folder))


def asker(model: Model | None, folder: Path, max_body: int = 100_000) -> Asker:
    """The application around one model."""
    table = TrafficTable(folder)
    table.routing = Routing(model) if model else None
    return Asker(App(table, Metrics(), max_body=max_body))


@pytest.fixture
def ask(heart: Model, tmp_path: Path) -> Asker:
    return asker(heart, tmp_path)


@pytest.fixture
def ask_flowers(flowers: Model, tmp_path: Path) -> Asker:
    return asker(flowers, tmp_path)


@pytest.fixture
def ask_nothing(tmp_path: Path) -> Asker:
    return asker(None, tmp_path)
