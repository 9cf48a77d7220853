"""The Docker engine as the tests drive it: containers of the image, as tight as a cluster would run them."""

from __future__ import annotations

import http.client
import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from project.paths import ROOT

BUNDLE = ROOT / "models" / "heart_disease"
CONTAINED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
BUILD, ANSWER = 900, 60
"""Seconds that a build and that anything else may take."""


def docker(*arguments: str, seconds: int = ANSWER) -> str:
    """What a command says; a command that fails fails the test with what it said."""
    done = subprocess.run(
        ["docker", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done.stdout.strip()


def inspected(name: str) -> Any:
    """What the engine knows of an image or a container."""
    (found,) = json.loads(docker("inspect", name))
    return found


def any_user() -> str:
    """A uid that no image knows, as OpenShift gives out; its group is 0."""
    return str(100_000 + secrets.randbelow(2_000_000_000))


@dataclass(frozen=True, slots=True)
class Container:
    """A running server."""

    id: str
    port: int
    ready: float = 0.0
    """Seconds from the start of its process until it took traffic."""

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        connection.request(method, path, json.dumps(body), {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        found = response.status, json.loads(response.read())
        connection.close()
        return found

    def wait(self) -> Container:
        """The same once it takes traffic."""
        started = datetime.fromisoformat(docker("inspect", "--format", "{{.State.StartedAt}}", self.id)).timestamp()
        while time.time() < started + ANSWER:
            try:
                if self.request("GET", "/health/ready")[0] == 200:
                    return replace(self, ready=time.time() - started)
            except (OSError, http.client.HTTPException):
                assert inspected(self.id)["State"]["Running"], docker("logs", self.id)
            time.sleep(0.01)
        raise AssertionError(f"it did not get ready: {docker('logs', self.id)}")

    def exit_code(self) -> int:
        """Wait for its end."""
        return int(docker("wait", self.id))


@contextmanager
def running(image: str, *command: str, options: tuple[str, ...] = (), port: int | None = None) -> Iterator[Container]:
    """A server in a container of its own, under a user that the image does not know.

    Args:
        image: Its image.
        command: What comes after the image's name.
        options: Further options of `docker run`.
        port: Where it listens on this machine's own network; by default it has a network of its own.
    """
    network = ("--network", "host") if port else ("--publish", "127.0.0.1::8000")
    more = ("--port", str(port), "--host", "127.0.0.1") if port else ()
    name = docker("run", "--detach", *CONTAINED, "--user", any_user(), *network, *options, image, *more, *command)
    try:
        published = port or int(docker("port", name, "8000").splitlines()[0].rpartition(":")[2])
        yield Container(name, published).wait()
    finally:
        docker("rm", "--force", "--volumes", name)
