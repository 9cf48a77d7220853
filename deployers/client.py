"""Ask an endpoint: is it ready, and does it predict what its bundle says it should."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from project.errors import Refused, Unreachable
from tabular.bundle import Bundle

TOLERANCE = 1e-6
LOG = "look into the server's log, then python run.py deploy"
QUICK = 0.5
PATIENT = 10.0


class OtherVersion(Refused):
    """Another version answered than the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an endpoint is asked, and with which headers."""

    host: str
    port: int
    path: str = ""
    """What comes before the server's own paths."""
    tls: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str, headers: Mapping[str, str]) -> Address:
        """The address that a base URL names."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls, headers)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def health(address: Address) -> tuple[bool, dict[str, Any]]:
    """The answer of `/health/ready`, or why there is none under `detail`."""
    try:
        status, answer = _request(address, "GET", "/health/ready", None, QUICK)
    except (OSError, HTTPException, ValueError) as error:
        return False, {"detail": f"{address} does not answer: {error}"}
    return status == HTTPStatus.OK, answer


def predict(address: Address, row: object) -> dict[str, Any]:
    """The endpoint's answer for one row, given as a JSON object.

    Raises:
        Refused: The row does not fit the contract; the endpoint's own reason.
        Unreachable: The endpoint does not answer, or can not now.
    """
    try:
        status, answer = _request(address, "POST", "/predict", json.dumps(row), PATIENT)
    except (OSError, HTTPException, ValueError) as error:
        raise Unreachable(f"{address} does not answer: {error}", "python run.py status") from None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"{address} can not answer: {answer.get('detail')}", "python run.py status")
    if status != HTTPStatus.OK:
        raise Refused(str(answer.get("detail")), "python run.py endpoint shows a row that fits")
    return answer


def text(address: Address, path: str) -> str:
    """What a server answers at a path.

    Raises:
        Unreachable: It does not answer, or with an error.
    """
    try:
        status, answer = _ask(address, "GET", path, None, PATIENT)
    except (OSError, HTTPException) as error:
        raise Unreachable(f"{address}{path} does not answer: {error}", "python run.py status") from None
    if status != HTTPStatus.OK:
        raise Unreachable(f"{address}{path} answers {status}", "python run.py status")
    return answer.decode(errors="replace")


def smoke(address: Address, bundles: Mapping[str, Bundle]) -> None:
    """Post the first bundle's own example and compare the answer with what the bundle of its version says.

    Args:
        address: Of the endpoint.
        bundles: Those that may answer, by version.

    Raises:
        OtherVersion: Another version answers.
        Refused: There is no answer, or it is another one.
    """
    version, bundle = next(iter(bundles.items()))
    example = bundle.json("serving.json")["example"]
    classes = bundle.json("contract.json")["classes"]
    try:
        status, answer = _request(address, "POST", "/predict", json.dumps(example["row"]), PATIENT)
    except (OSError, HTTPException, ValueError) as error:
        raise Refused(f"smoke prediction of version {version}: no answer: {error}", LOG) from None
    if status == HTTPStatus.OK and answer.get("version") in [other for other in bundles if other != version]:
        return  # its own worker proved it on its own example before it took traffic
    if status != HTTPStatus.OK:
        raise Refused(f"smoke prediction of version {version}: {answer.get('detail')}", LOG)
    if answer.get("version") != version:
        raise OtherVersion(f"smoke prediction of version {version}: version {answer.get('version')} answered", LOG)
    positive = answer["probability"]
    found = [answer["probabilities"][name] for name in classes] if len(classes) > 2 else [1 - positive, positive]
    expected = example["probabilities"]
    if not all(math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE) for a, b in zip(found, expected, strict=True)):
        raise Refused(f"smoke prediction of version {version}: probabilities {found}, the bundle says {expected}", LOG)


def _request(address: Address, method: str, path: str, body: str | None, seconds: float) -> tuple[int, dict[str, Any]]:
    status, answer = _ask(address, method, path, body, seconds)
    found: dict[str, Any] = json.loads(answer)
    return status, found


def _ask(address: Address, method: str, path: str, body: str | None, seconds: float) -> tuple[int, bytes]:
    # http.client heeds no proxy variables: what we ask is our own server, here or behind our own gateway.
    kind = HTTPSConnection if address.tls else HTTPConnection
    connection = kind(address.host, address.port, timeout=seconds)
    headers = {**address.headers, **({"Content-Type": "application/json"} if body else {})}
    try:
        connection.request(method, address.path + path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
