"""Malformed requests against the real server process: from its own OpenAPI document, and nearly right messages.

Every answer is the client's fault and says so, none takes forever, and the server's memory stays what it was. The
default run sends a sample; `--slow` sends 20,000.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from serving.bundle import load
from serving.keys import new_entry, write_keys
from tests.security.hostile import CONTENT_TYPES, bodies, messages
from tests.served import HOST, PATIENCE, REFERENCE, Served, served

PARSED = {"malformed-body", "invalid-value", "no-rows", "too-many-rows"}
"""Problems that only a reader of bodies finds."""


@dataclass
class Attack:
    """Sends requests on a kept connection and holds every answer against the rules."""

    server: Served
    headers: Mapping[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    parsed: int = 0
    passed_over: int = 0

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection(HOST, self.server.port, timeout=PATIENCE)

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        """One request; passed over where `http.client` refuses to send it, or its head was refused before its body."""
        try:
            self.connection.request(method, path, body, {**headers, **self.headers})
            response = self.connection.getresponse()
            answer = response.read()
        except (ValueError, ConnectionError):
            self.connection.close()
            self.passed_over += 1
            return
        assert response.status < 500, (method, path, body, headers, answer)
        self.statuses[response.status] += 1
        if response.status >= 400 and method != "HEAD":
            self._check(response.status, json.loads(answer))
        self.parsed += response.status == 200

    def _check(self, status: int, document: dict[str, Any]) -> None:
        kind = document["type"].removeprefix("urn:problem:")
        assert document["status"] == status
        assert document["detail"]
        self.parsed += kind in PARSED
        if kind == "invalid-value":
            assert all("field" in each and each["allowed"] for each in document["errors"])
        elif status == 422:
            assert kind == "no-rows"

    @property
    def sent(self) -> int:
        return self.statuses.total()


def quietly(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def nearly_right(attack: Attack, requests: int, types: st.SearchStrategy[str]) -> None:
    """Proper messages with something changed, at every route that takes one."""
    digest = json.loads((REFERENCE / "manifest.json").read_bytes())["digest"]
    proper = messages(load(REFERENCE, "1", digest))
    for path, message in proper.items():
        send(attack, path.partition("#")[0], bodies(message), types, requests // len(proper))


def send(
    attack: Attack, path: str, body: st.SearchStrategy[bytes], types: st.SearchStrategy[str], requests: int
) -> None:
    @quietly(requests)
    @given(body=body, kind=types)
    def post(body: bytes, kind: str) -> None:
        attack.send("POST", path, body, {"Content-Type": kind})

    post()


def against_the_schema(attack: Attack, requests: int) -> None:
    """What the server's own OpenAPI document forbids, at every operation in it."""
    document = attack.server.ask("/openapi.json").json
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    taking = [operation for operation in operations if operation.method.upper() == "POST"]
    for operation in taking:

        @quietly(requests // len(taking))
        @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
        def call(case: schemathesis.Case[Any]) -> None:
            sent = case.as_transport_kwargs(base_url="http://x")
            body = json.dumps(sent["json"]) if "json" in sent else sent.get("data") or b""
            headers = {name: str(value) for name, value in (sent.get("headers") or {}).items()}
            data = body if isinstance(body, bytes) else str(body).encode()
            attack.send(case.method, case.formatted_path, data, headers)

        call()


JSON_ONLY = st.just("application/json")


def test_a_sample_of_malformed_requests(target: Served) -> None:
    attack = Attack(target)
    nearly_right(attack, 420, JSON_ONLY)
    against_the_schema(attack, 80)
    assert attack.sent >= 450
    assert attack.parsed >= 0.9 * attack.sent


@pytest.mark.slow
def test_twenty_thousand_malformed_requests_without_limiter_and_keys(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        first, attack = Attack(server), Attack(server)
        nearly_right(first, 2_000, JSON_ONLY)
        against_the_schema(first, 500)  # every route has its caches and threads by then
        before = server.memory()
        nearly_right(attack, 23_500, JSON_ONLY)
        against_the_schema(attack, 1_000)
        after = server.memory()
        print(f"{dict(attack.statuses)}, {attack.parsed} reached a parser, memory {before} then {after}")
        assert attack.sent - attack.statuses[200] >= 20_000
        assert attack.passed_over < 0.05 * attack.sent
        assert attack.parsed >= 0.9 * attack.sent
        assert after - before < 5 << 20
        assert "failed" not in server.log()


@pytest.mark.parametrize("requests", [120, pytest.param(20_000, marks=pytest.mark.slow)])
def test_malformed_requests_with_limiter_and_keys(tmp_path: Path, requests: int) -> None:
    """Without a key, with the right one, with a wrong one, and, once the limit is used up, with a forged token."""
    key, entry = new_entry("fuzzer", ["predict"], None)
    write_keys(tmp_path / "keys.json", [entry])
    options = ("--keys", str(tmp_path / "keys.json"), "--rate", "0.001", "--burst", str(requests * 3 // 4))
    found: Counter[int] = Counter()
    with served(tmp_path, *options, is_open=False) as server:
        for headers in ({}, {"x-api-key": key}, {"x-api-key": "sk_wrong"}, {"authorization": "Bearer e30.e30.e30"}):
            attack = Attack(server, headers)
            nearly_right(attack, requests // 4, CONTENT_TYPES)
            found += attack.statuses
    print(dict(found))
    assert min(found[401], found[429]) > requests // 10
    assert found[400] + found[415] + found[422] > requests // 10
    assert found.keys() <= {200, 400, 401, 403, 404, 413, 415, 422, 429, 431}
