"""Ask an endpoint on this machine: is it ready, and does it predict what its bundle says it should."""

from __future__ import annotations

import http.client
import json
import math
from collections.abc import Mapping
from typing import Any

from project.errors import Refused, Unreachable
from tabular.bundle import Bundle

TOLERANCE = 1e-6
QUICK = 0.5
PATIENT = 10.0


def health(host: str, port: int) -> tuple[bool, dict[str, Any]]:
    """The answer of `/health/ready`, or why there is none under `detail`."""
    try:
        status, answer = _request(host, port, "GET", "/health/ready", None, QUICK)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, {"detail": f"{host}:{port} does not answer: {error}"}
    return status == http.HTTPStatus.OK, answer


def predict(host: str, port: int, row: object) -> dict[str, Any]:
    """The endpoint's answer for one row, given as a JSON object.

    Raises:
        Refused: The row does not fit the contract; the endpoint's own reason.
        Unreachable: The endpoint does not answer, or can not now.
    """
    try:
        status, answer = _request(host, port, "POST", "/predict", json.dumps(row), PATIENT)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreachable(f"{host}:{port} does not answer: {error}", "python run.py status") from None
    if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"{host}:{port} can not answer: {answer.get('detail')}", "python run.py status")
    if status != http.HTTPStatus.OK:
        raise Refused(str(answer.get("detail")), "python run.py endpoint shows a row that fits")
    return answer


def smoke(host: str, port: int, bundles: Mapping[str, Bundle]) -> None:
    """Post the first bundle's own example and compare the answer with what the bundle of its version says.

    Args:
        host: Of the endpoint.
        port: Of the endpoint.
        bundles: Those that may answer, by version.

    Raises:
        Refused: There is no answer, another version answers, or it is another answer.
    """
    version, bundle = next(iter(bundles.items()))
    example = bundle.json("serving.json")["example"]
    classes = bundle.json("contract.json")["classes"]
    try:
        status, answer = _request(host, port, "POST", "/predict", json.dumps(example["row"]), PATIENT)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(f"smoke prediction of version {version}: no answer: {error}") from None
    if status == http.HTTPStatus.OK and answer.get("version") in [other for other in bundles if other != version]:
        return  # its own worker proved it on its own example before it took traffic
    if status != http.HTTPStatus.OK or answer.get("version") != version:
        what = answer.get("detail") or f"version {answer.get('version')} answered"
        raise Refused(f"smoke prediction of version {version}: {what}")
    positive = answer["probability"]
    found = [answer["probabilities"][name] for name in classes] if len(classes) > 2 else [1 - positive, positive]
    expected = example["probabilities"]
    if not all(math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE) for a, b in zip(found, expected, strict=True)):
        raise Refused(f"smoke prediction of version {version}: probabilities {found}, the bundle says {expected}")


def _request(
    host: str, port: int, method: str, path: str, body: str | None, seconds: float
) -> tuple[int, dict[str, Any]]:
    # http.client heeds no proxy variables: this is our own process on our own machine.
    connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
        return response.status, answer
    finally:
        connection.close()
