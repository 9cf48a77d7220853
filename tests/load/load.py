"""Requests without pause, on a kept connection and on fresh ones, by clients that try nothing twice."""

from __future__ import annotations

import http.client
import json
import threading
import time
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
    host: str = HOST
    path: str = ""
    """What comes before the server's own paths."""
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    """Seconds between the starts of two requests of a client; one that is late makes up for it."""
    versions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """Whatever was no 2xx, and every error of a connection."""
    refused: list[str] = field(default_factory=list)
    """Connections that were not accepted: nobody listens any more."""
    opened: Counter[str] = field(default_factory=Counter)
    """Connections that were accepted, by kind."""
    asked: Counter[str] = field(default_factory=Counter)
    """Requests that were sent, by kind."""
    patience: float = PATIENCE
    """Seconds after which a request that has no answer has failed."""
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
        turns = self._turns()
        while not self.ended.is_set():
            connection = self._connection("kept")
            while next(turns) and self._ask(connection, "kept"):
                pass
            connection.close()

    def fresh(self) -> None:
        """Ask on a connection of its own each time."""
        turns = self._turns()
        while next(turns):
            connection = self._connection("fresh")
            self._ask(connection, "fresh")
            connection.close()

    def _turns(self) -> Iterator[bool]:
        """True when the next request is due, as long as there shall be one; then False."""
        due = time.monotonic()
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            yield True
            due += self.pause
        yield False

    def _connection(self, kind: str) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.patience)
        connection.auto_open = 0
        try:
            connection.connect()
            self.opened[kind] += 1
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
        self.asked[kind] += 1
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", f"{self.path}/predict", json.dumps(self.row), headers)
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
    with asking(Load(port, {**ROW, **(changed or {})}), clients=2) as found:
        yield found


@contextmanager
def asking(found: Load, clients: int) -> Iterator[Load]:
    """Ask while the block runs, by so many clients of each kind."""
    threads = [threading.Thread(target=target) for target in (found.kept, found.fresh) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        found.more()
        yield found
    finally:
        found.ended.set()
        for thread in threads:
            thread.join()
