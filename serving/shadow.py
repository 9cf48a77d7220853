"""Copies of requests for versions that answer nobody: compared, counted, and dropped when there are too many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.bundle import Model
from serving.http import Request, Route
from serving.log import LOGGER
from serving.metrics import Metrics

WAITING = 64
"""Copies that may wait; more are dropped and counted, so that a slow shadow costs neither time nor memory."""
WAITING_BYTES = 8 << 20
"""Bytes that their bodies may have together."""


class Shadow:
    """Runs copies one after the other in a thread of its own, after the answer was sent.

    Args:
        metrics: Where they are counted, by whether the shadow predicts what was answered.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._pool = ThreadPoolExecutor(1, "shadow")
        self._bytes = 0
        self._copies: set[asyncio.Future[None]] = set()

    def copy(self, model: Model, route: Route, request: Request, predicted: Sequence[int]) -> None:
        """Let a shadow predict what was just answered."""
        if len(self._copies) >= WAITING or self._bytes + len(request.body) > WAITING_BYTES:
            self.metrics.of(model).shadow["dropped"] += 1
            return
        copy = asyncio.ensure_future(self._compare(model, route, request, predicted))
        self._copies.add(copy)
        self._bytes += len(request.body)
        copy.add_done_callback(self._copies.discard)

    async def _compare(self, model: Model, route: Route, request: Request, predicted: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._pool, route.handler, model, request)
            outcome = "same" if list(answer.predicted) == list(predicted) else "different"
        except Exception:  # noqa: BLE001  whatever a shadow does, nobody waits for it
            LOGGER.exception("the shadow %s failed at request %s", model.version, request.id)
            outcome = "failed"
        self.metrics.of(model).shadow[outcome] += 1
        self._bytes -= len(request.body)
