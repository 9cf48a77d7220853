"""A server process of its own for the tests of clients, as a person starts one."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.paths import ROOT

PATIENCE = 20.0
REFERENCE = ROOT / "models" / "heart_disease"
ANY_CERTIFICATE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
ANY_CERTIFICATE.check_hostname = False
ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    grpc_port: int
    key: str
    """Empty where the server is open."""
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: object) -> Any:
        """The answer as JSON."""
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        request.add_header("x-api-key", self.key)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextmanager
def serving(folder: Path, bundle: Path | None, *options: str) -> Iterator[Served]:
    """Serve a bundle from an endpoint's folder, under a one-time key unless `--open` is among the options.

    Args:
        folder: Empty; gets the traffic file and the log.
        bundle: What version 1 is; None leaves the server without a model.
        options: Further options of `python -m serving`.
    """
    port, grpc_port = free_port(), free_port()
    health = (
        f"{'https' if '--tls-key' in options else 'http'}://127.0.0.1:{port}/health/{'ready' if bundle else 'live'}"
    )
    command = [sys.executable, "-m", "serving", "--directory", str(folder), "--port", str(port)]
    command += ["--grpc-port", str(grpc_port), *options]
    if bundle:
        publish(folder, bundle)
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        assert process.stdout is not None
        given = "--open" not in options and "--keys" not in options
        key = process.stdout.readline().decode().split("X-API-Key: ")[1].strip() if given else ""
        try:
            until = time.monotonic() + PATIENCE
            while not answers(health):
                assert time.monotonic() < until, (folder / "server.log").read_text()
                time.sleep(0.05)
            yield Served(port, grpc_port, key, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


def publish(folder: Path, bundle: Path) -> None:
    """Name a bundle as the version that serves."""
    digest = json.loads((bundle / "manifest.json").read_bytes())["digest"]
    plan = {"mode": "replace", "weights": {"1": 1}}
    bundles = {"1": {"path": str(bundle), "digest": digest}}
    written = folder / "traffic.new"
    written.write_text(json.dumps({"generation": 1, "plan": plan, "bundles": bundles}))
    written.replace(folder / "traffic.json")


def answers(url: str) -> bool:
    """Whether something says yes there."""
    try:
        with urllib.request.urlopen(url, timeout=1, context=ANY_CERTIFICATE if url.startswith("https:") else None):
            return True
    except OSError:
        return False


def free_port() -> int:
    """A TCP port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
