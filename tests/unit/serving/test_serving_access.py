"""Keys, tokens, limits and origins, through the application."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from serving.access import Access
from serving.app import App
from serving.bundle import Model
from serving.http import Request
from serving.keys import KeyFileError, KeyRing, new_entry, read_keys, write_keys
from serving.limits import Buckets, Policy
from serving.metrics import Metrics
from serving.plan import Routing
from serving.tokens import Tokens
from serving.traffic import TrafficTable
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker

ISSUER, AUDIENCE = "https://issuer.example", "heart"


@pytest.fixture
def guarded(heart: Model, tmp_path: Path) -> Callable[..., Asker]:
    def make(**access: Any) -> Asker:
        table = TrafficTable(tmp_path)
        table.routing = Routing(heart)
        return Asker(App(table, Metrics(), access=Access(**access)))

    return make


def key_file(path: Path, *scopes: str, days: float | None = None) -> str:
    key, entry = new_entry("batch", list(scopes), days)
    write_keys(path, [entry])
    return key


def test_a_key_opens_what_its_scopes_allow(guarded: Callable[..., Asker], tmp_path: Path) -> None:
    key = key_file(tmp_path / "keys.json", "predict")
    ask = guarded(keys=KeyRing(tmp_path / "keys.json"))
    assert ask(body=ROW, headers={"x-api-key": key}).status == 200
    assert ask(body=ROW, headers={"authorization": f"Bearer {key}"}).status == 200
    refused = ask("/explain", ROW, headers={"x-api-key": key})
    assert (refused.status, refused.json["detail"]) == (
        403,
        "the key of batch does not allow 'explain'; it allows: predict",
    )
    assert ask("/traffic", method="GET", headers={"x-api-key": key}).status == 403
    assert ask("/health/ready", method="GET").status == 200


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({}, "send an API key as X-API-Key, or a key or token as Authorization: Bearer"),
        ({"authorization": "Basic eDp5"}, "send an API key as X-API-Key, or a key or token as Authorization: Bearer"),
        ({"x-api-key": "sk_wrong"}, "the key is not known"),
        ({"x-api-key": ""}, "the key is not known"),
        ({"authorization": "Bearer a.b.c"}, "the key is not known"),
    ],
)
def test_nobody_is_refused(guarded: Callable[..., Asker], tmp_path: Path, headers: dict[str, str], detail: str) -> None:
    key_file(tmp_path / "keys.json", "predict")
    refused = guarded(keys=KeyRing(tmp_path / "keys.json"))(body=ROW, headers=headers)
    assert (refused.status, refused.json["detail"]) == (401, detail)
    assert refused.headers["www-authenticate"] == 'Bearer realm="model"'


def test_an_expired_key(guarded: Callable[..., Asker], tmp_path: Path) -> None:
    key = key_file(tmp_path / "keys.json", "predict", days=-1)
    refused = guarded(keys=KeyRing(tmp_path / "keys.json"))(body=ROW, headers={"x-api-key": key})
    assert (refused.status, refused.json["detail"]) == (401, "the key has expired")


def test_keys_are_rotated_without_a_restart(
    guarded: Callable[..., Asker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.keys.RELOAD", 0.0)
    path = tmp_path / "keys.json"
    old = key_file(path, "predict")
    ask = guarded(keys=KeyRing(path))
    assert ask(body=ROW, headers={"x-api-key": old}).status == 200
    new = key_file(path, "predict")
    assert [ask(body=ROW, headers={"x-api-key": key}).status for key in (old, new)] == [401, 200]
    whole = path.read_text()
    path.write_text("{")
    assert ask(body=ROW, headers={"x-api-key": new}).status == 200
    broken = path.stat()
    third, entry = new_entry("third", ["predict"], None)
    path.write_text(json.dumps({"keys": [*json.loads(whole)["keys"], entry]}))
    os.utime(path, ns=(broken.st_atime_ns, broken.st_mtime_ns))  # written to its end within a tick of the clock
    assert ask(body=ROW, headers={"x-api-key": third}).status == 200


def test_the_key_file_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key = key_file(path, "admin")
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(json.dumps({"keys": [{"name": "x", "sha256": "00", "scopes": ["root"]}]}))
    with pytest.raises(KeyFileError, match="unknown scopes"):
        read_keys(path)


def test_the_keys_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving.keys", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    file = ("--file", str(tmp_path / "keys.json"))
    made = run("add", *file, "--name", "web", "--scopes", "predict", "--days", "30")
    assert made.stdout.startswith("sk_")
    assert KeyRing(tmp_path / "keys.json").caller(made.stdout.strip().encode()) is not None
    assert run("list", *file).stdout.startswith("web\tpredict\t20")
    again = run("add", *file, "--name", "web")
    assert (again.returncode, again.stderr) == (2, "error: web is there already; revoke it first\n")
    for wrong in (("--days", "0"), ("--days", "nan"), ("--days", "1e9"), ("--scopes", "root"), ("--name", "a\nb")):
        assert run("add", *file, "--name", "other", *wrong).returncode == 2
    said = run("add", *file, "--name", "other", "--days", "soon").stderr.splitlines()[-1]
    assert said.endswith("--days: soon is no number of days; it is more than 0 and at most 36500")
    nowhere = run("add", "--file", str(tmp_path / "missing" / "keys.json"), "--name", "web")
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
    assert nowhere.stderr.endswith("can not be written: No such file or directory\n")
    assert run("revoke", *file, "--name", "web").returncode == 0
    assert run("revoke", *file, "--name", "web").returncode == 2
    assert read_keys(tmp_path / "keys.json") == {}
    _, entry = new_entry("by hand", ["admin"], None)
    write_keys(tmp_path / "keys.json", [{name: value for name, value in entry.items() if name != "expires"}])
    assert run("list", *file).stdout == "by hand\tadmin\tnever expires\n"


@pytest.fixture(scope="module")
def signers() -> dict[str, tuple[Any, str]]:
    return {
        "rsa": (rsa.generate_private_key(public_exponent=65537, key_size=2048), "RS256"),
        "ec": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        "ed": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    }


@pytest.fixture
def jwks(signers: dict[str, tuple[Any, str]], tmp_path: Path) -> Path:
    entries = [
        {**jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True), "kid": kid}
        for kid, (key, name) in signers.items()
    ]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": entries}))
    return path


def claims(**other: Any) -> dict[str, Any]:
    said = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60, "sub": "ann", "scope": "predict profile"}
    return {name: value for name, value in {**said, **other}.items() if value is not None}


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_a_token_of_every_algorithm(
    guarded: Callable[..., Asker], jwks: Path, signers: dict[str, tuple[Any, str]], kid: str
) -> None:
    key, algorithm = signers[kid]
    token = jwt.encode(claims(), key, algorithm, headers={"kid": kid})
    ask = guarded(tokens=Tokens(str(jwks), ISSUER, AUDIENCE))
    for _ in range(2):  # the second is remembered
        assert ask(body=ROW, headers={"authorization": f"Bearer {token}"}).status == 200
    assert ask("/explain", ROW, headers={"authorization": f"Bearer {token}"}).status == 403


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"exp": 1_000_000}, "expired"),
        ({"exp": None}, '"exp"'),
        ({"aud": "other"}, "Audience"),
        ({"aud": None}, '"aud"'),
        ({"iss": "https://other"}, "issuer"),
        ({"nbf": time.time() + 3600}, "not yet valid"),
    ],
)
def test_a_token_that_is_not_for_us(
    guarded: Callable[..., Asker], jwks: Path, signers: dict[str, tuple[Any, str]], other: dict[str, Any], said: str
) -> None:
    key, algorithm = signers["ec"]
    token = jwt.encode(claims(**other), key, algorithm, headers={"kid": "ec"})
    refused = guarded(tokens=Tokens(str(jwks), ISSUER, AUDIENCE))(
        body=ROW, headers={"authorization": f"Bearer {token}"}
    )
    assert refused.status == 401
    assert said in refused.json["detail"]


def test_forged_tokens(guarded: Callable[..., Asker], jwks: Path, signers: dict[str, tuple[Any, str]]) -> None:
    ask = guarded(tokens=Tokens(str(jwks), ISSUER, AUDIENCE))
    unsigned = jwt.encode(claims(), "", "none", headers={"kid": "rsa"})
    public = json.loads(jwks.read_text())["keys"][0]["n"]  # an HMAC keyed with what everybody knows
    confused = jwt.encode(claims(), public, "HS256", headers={"kid": "rsa"})
    other = jwt.encode(claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", headers={"kid": "ec"})
    stranger = jwt.encode(claims(), signers["ec"][0], "ES256", headers={"kid": "gone"})
    for token in (unsigned, confused, other, stranger, "a.b.c"):
        assert ask(body=ROW, headers={"authorization": f"Bearer {token}"}).status == 401


@pytest.mark.parametrize("source", ["http://example.com/jwks", "file:///etc/passwd", "missing.json"])
def test_a_source_of_keys_that_is_not_taken(source: str) -> None:
    with pytest.raises(ValueError, match=r"JWKS address|can not be read"):
        Tokens(source, ISSUER, AUDIENCE)


def test_the_limit_of_a_key(guarded: Callable[..., Asker], tmp_path: Path) -> None:
    key = key_file(tmp_path / "keys.json", "predict")
    ask = guarded(keys=KeyRing(tmp_path / "keys.json"), by_key=Policy("key", rate=0.1, burst=3))
    answers = [ask(body=ROW, headers={"x-api-key": key}) for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"key";r=2;t=10', '"key";r=1;t=20', '"key";r=0;t=30', '"key";r=0;t=30',
    ]  # fmt: skip
    assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=30'
    assert answers[3].headers["retry-after"] == "10"
    assert answers[3].json["type"] == "urn:problem:too-many-requests"


def test_wrong_keys_use_up_the_limit_of_an_address(guarded: Callable[..., Asker], tmp_path: Path) -> None:
    key_file(tmp_path / "keys.json", "predict")
    ask = guarded(keys=KeyRing(tmp_path / "keys.json"), by_address=Policy("address", rate=0.1, burst=2))
    assert [ask(body=ROW, headers={"x-api-key": "guess"}).status for _ in range(3)] == [401, 401, 429]


def test_a_bucket_fills_again_and_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, policy, now = Buckets.share(), Policy("key", rate=2.0, burst=2), 1000.0
    monkeypatch.setattr("serving.limits.time.monotonic", lambda: now)
    one, other = Buckets(shared), Buckets(shared)
    tag = one.tag("key:x")
    assert other.tag("key:x") == tag
    assert [one.take(policy, tag)[0], other.take(policy, tag)[0]] == [0.0, 0.0]
    assert list(one.take(policy, tag)) == pytest.approx([0.5, 1.0])
    now = 1000.5
    assert [other.take(policy, tag)[0], other.take(policy, tag)[0]] == [0.0, pytest.approx(0.5)]


def test_many_callers_have_buckets_of_their_own() -> None:
    buckets, policy = Buckets(), Policy("key", rate=0.001, burst=1)
    tags = [buckets.tag(f"address:{number}") for number in range(5000)]
    assert all(buckets.take(policy, tag)[0] == 0.0 for tag in tags)
    assert all(buckets.take(policy, tag)[0] > 0.0 for tag in tags)


@pytest.mark.parametrize(
    ("client", "forwarded", "subject"),
    [
        ("198.51.100.7", "203.0.113.9", "198.51.100.7"),  # no proxy of ours: it can say what it likes
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.9", "203.0.113.9"),  # the first may be forged
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::"),
        ("::ffff:198.51.100.7", "", "198.51.100.7"),
    ],
)
def test_whose_address_counts(client: str, forwarded: str, subject: str) -> None:
    access = Access(proxies=[ip_network("10.0.0.0/8")])
    assert access.subject(Request(b"", "", {b"x-forwarded-for": forwarded.encode()}, client=client)) == subject


def test_no_page_of_another_host_may_ask(ask: Asker) -> None:
    answer = ask(body=ROW, headers={"origin": "https://page.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")


def test_a_page_that_was_named_may_ask(heart: Model, tmp_path: Path) -> None:
    table = TrafficTable(tmp_path)
    table.routing = Routing(heart)
    ask = Asker(App(table, Metrics(), origins=["https://page.example"]))
    origin = {"origin": "https://page.example"}
    assert ask(body=ROW, headers=origin).headers["access-control-allow-origin"] == "https://page.example"
    before = ask(method="OPTIONS", headers={**origin, "access-control-request-method": "POST"})
    assert (before.status, before.headers["access-control-allow-methods"]) == (200, "GET, POST")
    assert "access-control-allow-origin" not in ask(body=ROW, headers={"origin": "https://other"}).headers
