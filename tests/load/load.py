"""Requests without pause, on a kept connection and on fresh ones, by clients that try nothing twice."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.served import HOST, PATIENCE, until
from tests.serving_bundle import ROW


@dataclass
class Load:
    """What came of it so far."""

    port: int
    row: Mapping[str, object]
    versions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Whatever was no 2xx, and every error of a connection."""
    refused: list[str] = field(default_factory=list)
    """Connections that were not accepted: nobody listens any more."""
    ended: threading.Event = field(default_factory=threading.Event)

    def more(self, requests: int = 20) -> None:
        """Wait until so many more were answered or failed."""
        goal = self.count + requests
        until(lambda: self.count >= goal)

    @property
    def count(self) -> int:
        """Requests so far."""
        return self.versions.total() + len(self.failures) + len(self.refused)

    def kept(self) -> None:
        """Ask on one connection for as long as the server keeps it."""
        while not self.ended.is_set():
            connection = self._connection()
            while not self.ended.is_set() and self._ask(connection, "kept"):
                pass
            connection.close()

    def fresh(self) -> None:
        """Ask on a connection of its own each time."""
        while not self.ended.is_set():
            connection = self._connection()
            self._ask(connection, "fresh")
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        connection.auto_open = 0
        try:
            connection.connect()
        except ConnectionRefusedError as error:
            self.refused.append(repr(error))
            self.ended.wait(0.01)
        except OSError as error:
            self.failures.append(f"connect: {error!r}")
        return connection

    def _ask(self, connection: http.client.HTTPConnection, kind: str) -> bool:
        """Whether the connection may be used again."""
        if connection.sock is None:
            return False
        try:
            connection.request("POST", "/predict", json.dumps(self.row), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{kind}: {error!r}")
            return False
        if response.status == http.HTTPStatus.OK:
            self.versions[json.loads(body)["version"]] += 1
        else:
            self.failures.append(f"{kind}: {response.status} {body!r}")
        return not response.will_close


@contextmanager
def load(port: int, changed: Mapping[str, object] | None = None) -> Iterator[Load]:
    """Ask while the block runs, for the example row with some of its values `changed`."""
    found = Load(port, {**ROW, **(changed or {})})
    threads = [threading.Thread(target=target) for target in (found.kept, found.kept, found.fresh, found.fresh)]
    for thread in threads:
        thread.start()
    try:
        found.more()
        yield found
    finally:
        found.ended.set()
        for thread in threads:
            thread.join()
