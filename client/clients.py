"""`Client` and `AsyncClient`: predictions and explanations over one pool of kept-alive connections."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx
from pydantic import TypeAdapter

from client.errors import ClientError, Unreachable
from client.exchange import (
    EXPLANATION,
    PREDICTION,
    PREDICTIONS,
    Answered,
    AnyRow,
    connection,
    many,
    one,
    pause,
    read,
)
from client.messages import Explanation, Prediction

PREDICT, EXPLAIN = "predict", "explain"
TIMEOUT = 10.0


class Client:
    """Asks one server, and waits for its answers; may be shared by threads.

    Args:
        url: Base address of the server, such as http://127.0.0.1:8000.
        key: API key or JSON Web Token; without one, that of the variable MODEL_API_KEY if it is set.
        timeout: Seconds for connecting, and for each part of an answer.
        retries: How often a request is sent again when the server is not reached, not ready or asks to wait.
        verify: How certificates are checked; an `ssl.SSLContext` for an authority of one's own.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = 0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._http = httpx.Client(**connection(url, key, timeout, verify))
        self._retries = retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, row: AnyRow, interval: float | None = None) -> Prediction:
        """The answer for one row.

        Args:
            row: The row.
            interval: Ask for the classes that hold the true one in this share of rows, 0.5 to 0.99.

        Raises:
            ClientError: There is none; `InvalidRow` names each value that does not fit.
        """
        return self._ask(PREDICT, one(row), PREDICTION, interval=interval)

    def predict_many(self, rows: Sequence[AnyRow], interval: float | None = None) -> list[Prediction]:
        """The answers for some rows, in their order, by one request; `interval` as for `predict`.

        Raises:
            ClientError: There are none; `InvalidRow` names each value that does not fit.
        """
        return self._ask(PREDICT, many(rows), PREDICTIONS, interval=interval)

    def explain(self, row: AnyRow, budget_ms: int | None = None) -> Explanation:
        """What moved the probability of one row.

        Args:
            row: The row.
            budget_ms: Milliseconds that it may take; what is not exact by then is estimated.

        Raises:
            ClientError: There is no answer; `InvalidRow` names each value that does not fit.
        """
        return self._ask(EXPLAIN, one(row), EXPLANATION, budget_ms=budget_ms)

    def _ask(self, path: str, body: bytes, adapter: TypeAdapter[Answered], **asked: float | None) -> Answered:
        query = {name: value for name, value in asked.items() if value is not None}
        attempt = 0
        while True:
            try:
                return read(self._http.post(path, content=body, params=query), adapter)
            except httpx.TransportError as error:
                failure: ClientError = unreachable(self._http.base_url, error)
            except ClientError as error:
                failure = error
            wait = pause(failure, attempt)
            if wait is None or attempt == self._retries:
                raise failure
            time.sleep(wait)
            attempt += 1


class AsyncClient:
    """As `Client`, with answers that are awaited.

    Args:
        url: Base address of the server, such as http://127.0.0.1:8000.
        key: API key or JSON Web Token; without one, that of the variable MODEL_API_KEY if it is set.
        timeout: Seconds for connecting, and for each part of an answer.
        retries: How often a request is sent again when the server is not reached, not ready or asks to wait.
        verify: How certificates are checked; an `ssl.SSLContext` for an authority of one's own.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        retries: int = 0,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._http = httpx.AsyncClient(**connection(url, key, timeout, verify))
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(self, row: AnyRow, interval: float | None = None) -> Prediction:
        """As `Client.predict`."""
        return await self._ask(PREDICT, one(row), PREDICTION, interval=interval)

    async def predict_many(self, rows: Sequence[AnyRow], interval: float | None = None) -> list[Prediction]:
        """As `Client.predict_many`."""
        return await self._ask(PREDICT, many(rows), PREDICTIONS, interval=interval)

    async def explain(self, row: AnyRow, budget_ms: int | None = None) -> Explanation:
        """As `Client.explain`."""
        return await self._ask(EXPLAIN, one(row), EXPLANATION, budget_ms=budget_ms)

    async def _ask(self, path: str, body: bytes, adapter: TypeAdapter[Answered], **asked: float | None) -> Answered:
        query = {name: value for name, value in asked.items() if value is not None}
        attempt = 0
        while True:
            try:
                return read(await self._http.post(path, content=body, params=query), adapter)
            except httpx.TransportError as error:
                failure: ClientError = unreachable(self._http.base_url, error)
            except ClientError as error:
                failure = error
            wait = pause(failure, attempt)
            if wait is None or attempt == self._retries:
                raise failure
            await asyncio.sleep(wait)
            attempt += 1


def unreachable(url: httpx.URL, error: httpx.TransportError) -> Unreachable:
    """The failure of a connection, in one line."""
    return Unreachable(f"{url} does not answer: {str(error) or type(error).__name__}")
