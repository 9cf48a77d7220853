"""Tokens as an attacker makes them, and sets of keys as they change."""

from __future__ import annotations

import base64
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from serving.http import Request
from serving.keys import Caller, TokenRefused, UnknownKey
from serving.tokens import Tokens
from tests.served import Served, served, until
from tests.serving_bundle import ROW

ISSUER, AUDIENCE = "https://issuer.example", "heart"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


def entry(key: Any, algorithm: str, kid: str, **more: str) -> dict[str, Any]:
    return {**jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


def claims(**other: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 60, "sub": "ann", "scope": "predict", **other}


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with(secret: bytes, header: dict[str, Any], said: Any) -> str:
    """An HS256 token; PyJWT itself refuses to make one with a public key."""
    text = f"{part(header)}.{part(said)}"
    return f"{text}.{part(hmac.digest(secret, text.encode(), 'sha256'))}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [entry(RSA, "RS256", "rsa"), entry(EC, "ES256", "ec")]}))
    return path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that two keys open."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "jwks.json").write_text(json.dumps({"keys": [entry(RSA, "RS256", "rsa"), entry(EC, "ES256", "ec")]}))
    options = ("--jwks", str(folder / "jwks.json"), "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
    with served(folder / "endpoint", *options, is_open=False) as server:
        yield server


@pytest.fixture
def tokens(file: Path) -> Tokens:
    return Tokens(str(file), ISSUER, AUDIENCE)


def accepted(tokens: Tokens, token: str) -> Caller | None:
    try:
        return tokens.caller(token.encode())
    except TokenRefused:
        return None


@pytest.mark.parametrize(
    ("header", "stated", "status", "says"),
    [
        pytest.param({}, {}, 401, "the token names no key (`kid`), and 2 sign here", id="no kid"),
        pytest.param(
            {"kid": "x" * 200}, {}, 401, "signed by the key '" + "x" * 79 + ", which is not known here", id="other kid"
        ),
        pytest.param(
            {"kid": "ec"},
            {"scope": ""},
            403,
            "it allows: nothing; a token says what it allows in `scope`",
            id="no scope",
        ),
        pytest.param({"kid": "ec"}, {"exp": 1}, 401, "the token is refused: Signature has expired", id="too old"),
        pytest.param({"kid": "ec"}, {}, 200, "", id="one that is good"),
    ],
)
def test_a_server_says_what_is_wrong_with_a_token(
    guarded: Served, header: dict[str, str], stated: dict[str, Any], status: int, says: str
) -> None:
    token = jwt.encode(claims(**stated), EC, "ES256", headers=header)
    answer = guarded.ask(body=ROW, headers={"authorization": f"Bearer {token}"})
    assert answer.status == status
    assert says in answer.json.get("detail", "")


def test_a_public_key_is_no_secret(tokens: Tokens, file: Path) -> None:
    """HS256 keyed with the public key in every form in which a library may have it."""
    public = RSA.public_key()
    formats = serialization.PublicFormat
    forms = [
        public.public_bytes(serialization.Encoding.PEM, formats.SubjectPublicKeyInfo),
        public.public_bytes(serialization.Encoding.PEM, formats.PKCS1),
        public.public_bytes(serialization.Encoding.DER, formats.SubjectPublicKeyInfo),
        json.loads(file.read_bytes())["keys"][0]["n"].encode(),
        file.read_bytes(),
        b"",
    ]
    forged = [signed_with(form, {"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims()) for form in forms]
    assert [accepted(tokens, token) for token in forged] == [None] * 6
    assert accepted(tokens, jwt.encode(claims(), RSA, "RS256", headers={"kid": "rsa"})) is not None


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256", "PS256", "RS512", "ES384", "rs256"])
def test_no_other_algorithm(tokens: Tokens, name: str) -> None:
    valid = jwt.encode(claims(), RSA, "RS256", headers={"kid": "rsa"})
    _, body, signature = valid.split(".")
    for tail in ("", signature):
        assert accepted(tokens, f"{part({'alg': name, 'typ': 'JWT', 'kid': 'rsa'})}.{body}.{tail}") is None
    if name == "PS256":
        assert accepted(tokens, jwt.encode(claims(), RSA, "PS256", headers={"kid": "rsa"})) is None


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": entry(ec.generate_private_key(ec.SECP256R1()), "ES256", "ec")},
        {"x5c": ["MIIB"]},
    ],
)
def test_the_token_does_not_say_which_key_verifies_it(tokens: Tokens, header: dict[str, Any]) -> None:
    own = ec.generate_private_key(ec.SECP256R1())
    assert accepted(tokens, jwt.encode(claims(), own, "ES256", headers={"kid": "ec", **header})) is None


@pytest.mark.parametrize(
    "kid", ["../../../../dev/null", "rsa\x00", "' OR 1=1 --", "RSA", "", None, 1, [], {}, ["rsa"], "x" * 4000]
)
def test_a_key_id_is_looked_up_and_nothing_else(tokens: Tokens, kid: object) -> None:
    token = signed_with(b"", {"alg": "HS256", "typ": "JWT", "kid": kid}, claims())
    assert accepted(tokens, token) is None


def test_a_key_verifies_by_its_own_kind_alone(tokens: Tokens) -> None:
    assert accepted(tokens, jwt.encode(claims(), EC, "ES256", headers={"kid": "rsa"})) is None
    assert accepted(tokens, jwt.encode(claims(), RSA, "RS256", headers={"kid": "ec"})) is None


@pytest.mark.parametrize(
    "token",
    [
        "..", "a.b.c", "e30.e30.", "é.é.é",
        f"{part(b'[' * 5000)}.e30.e30", f"{part([])}.e30.e30", f"{part('x')}.e30.e30",
        f"{part(b'{' + b' ' * 5000)}.e30.e30", f"{part(b'9' * 5000)}.e30.e30", f"{'A' * 100_000}.e30.e30",
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(tokens: Tokens, token: str) -> None:
    assert accepted(tokens, token) is None


def from_now(claimed: dict[str, Any]) -> dict[str, Any]:
    """Claims with their distances from this moment as times; the cases are listed minutes before they run."""
    return {
        name: int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in claimed.items()
    }


@pytest.mark.parametrize(
    "other",
    [
        {"exp": 1e400}, {"exp": "soon"}, {"exp": None}, {"exp": [1]}, {"exp": True}, {"nbf": 1e400}, {"iat": 1e400},
        {"sub": 5}, {"sub": []}, {"aud": {"a": 1}}, {"aud": [[]]}, {"aud": None}, {"iss": [ISSUER]}, {"iss": None},
        {"exp": timedelta(seconds=-31)}, {"nbf": timedelta(seconds=40)},
    ],
)  # fmt: skip
def test_claims_of_a_wrong_kind_are_refused(tokens: Tokens, other: dict[str, Any]) -> None:
    body = json.dumps({**claims(), **from_now(other)}).encode()
    token = jwt.PyJWS().encode(body, EC, "ES256", headers={"kid": "ec"})
    assert accepted(tokens, token) is None


@pytest.mark.parametrize(
    ("other", "scopes"),
    [
        ({"scope": "predict explain other"}, {"predict", "explain"}),
        ({"scope": 5}, set()),
        ({"scope": ["predict"]}, {"predict"}),
        ({"scope": {"admin": 1}}, set()),
        ({"scope": None, "scp": ["admin"]}, set()),
        ({"scope": "predictadmin"}, set()),
        ({"exp": timedelta(seconds=-20)}, {"predict"}),  # clocks differ
        ({"sub": "\ud800\n"}, {"predict"}),
    ],
)
def test_scopes_are_those_that_are_named(tokens: Tokens, other: dict[str, Any], scopes: set[str]) -> None:
    caller = accepted(tokens, jwt.encode(claims(**from_now(other)), EC, "ES256", headers={"kid": "ec"}))
    assert caller is not None
    assert caller.scopes == scopes
    assert caller.name.isascii()
    assert caller.name.isprintable()


def test_a_file_of_keys_is_followed(tokens: Tokens, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.tokens.LOOK_EVERY", -1.0)
    new = ec.generate_private_key(ec.SECP256R1())
    old_token = jwt.encode(claims(), EC, "ES256", headers={"kid": "ec"})
    new_token = jwt.encode(claims(), new, "ES256", headers={"kid": "new"})
    assert [accepted(tokens, old_token) is None, accepted(tokens, new_token) is None] == [False, True]
    file.write_text(json.dumps({"keys": [entry(new, "ES256", "new")]}))
    assert [accepted(tokens, old_token) is None, accepted(tokens, new_token) is None] == [True, False]
    file.write_text("{")
    assert accepted(tokens, new_token) is not None


def test_a_token_that_was_verified_by_a_key_that_went_meanwhile_is_not_remembered(
    tokens: Tokens, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    decode = jwt.decode

    def slow(*arguments: Any, **named: Any) -> Any:
        """Another thread has fetched the set when this one is done."""
        found = decode(*arguments, **named)
        file.write_text(json.dumps({"keys": [entry(new, "ES256", "new")]}))
        tokens.refresh()
        return found

    monkeypatch.setattr("serving.tokens.jwt.decode", slow)
    token = jwt.encode(claims(), EC, "ES256", headers={"kid": "ec"})
    assert [accepted(tokens, token) is None for _ in range(2)] == [False, True]


def test_keys_for_other_uses_are_left_out(tmp_path: Path) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    exchange = part(x25519.X25519PrivateKey.generate().public_key().public_bytes_raw())
    signer = ed25519.Ed25519PrivateKey.generate()
    keys = [
        entry(other, "RS256", "for encryption", use="enc"),
        {**entry(other, "RS256", "by another algorithm"), "alg": "RSA-OAEP"},
        entry(ec.generate_private_key(ec.SECP384R1()), "ES384", "on another curve"),
        {"kty": "OKP", "crv": "X25519", "x": exchange, "kid": "for key exchange"},
        {"kty": "EC", "crv": "P-256", "kid": "half a key"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        entry(signer, "EdDSA", "signs", use="sig"),
    ]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    tokens = Tokens(str(path), ISSUER, AUDIENCE)
    assert accepted(tokens, jwt.encode(claims(), signer, "EdDSA", headers={"kid": "signs"})) is not None
    for kid in ("for encryption", "by another algorithm"):
        with pytest.raises(UnknownKey):
            tokens.caller(jwt.encode(claims(), other, "RS256", headers={"kid": kid}).encode())
    assert accepted(tokens, signed_with(b"secret", {"alg": "HS256", "kid": "secret"}, claims())) is None


@contextmanager
def issuer(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[str]]]:
    """A server of key sets; yields its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_new_key_is_fetched_when_a_token_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from serving.access import Access

    new = ec.generate_private_key(ec.SECP256R1())
    answers: dict[str, tuple[int, dict[str, str], bytes]] = {
        "/jwks": (200, {}, json.dumps({"keys": [entry(EC, "ES256", "ec")]}).encode())
    }
    with issuer(answers) as (address, asked):
        access = Access(tokens=Tokens(f"{address}/jwks", ISSUER, AUDIENCE))
        assert access.waits
        answers["/jwks"] = (200, {}, json.dumps({"keys": [entry(new, "ES256", "new")]}).encode())
        token = jwt.encode(claims(), new, "ES256", headers={"kid": "new"})
        request = Request(b"", "r1", {b"authorization": f"Bearer {token}".encode()})
        monkeypatch.setattr("serving.tokens.FETCH_AGAIN", -1.0)
        assert asyncio.run(access.admit_waiting(request, "predict")) == []
        assert asked == ["/jwks"] * 2
        monkeypatch.setattr("serving.tokens.FETCH_EVERY", -1.0)
        for broken in ((503, {}, b""), (200, {"Transfer-Encoding": "chunked"}, b"ff\r\nand then no more")):
            answers["/jwks"] = broken
            assert asyncio.run(access.admit_waiting(request, "predict")) == []  # those known so far stay


def test_a_worker_that_starts_while_the_issuer_is_away_knows_its_keys(tmp_path: Path) -> None:
    keys = json.dumps({"keys": [entry(EC, "ES256", "ec")]}).encode()
    answers: dict[str, tuple[int, dict[str, str], bytes]] = {"/jwks": (200, {}, keys)}
    token = jwt.encode(claims(), EC, "ES256", headers={"kid": "ec"})
    with issuer(answers) as (address, _):
        options = ("--jwks", f"{address}/jwks", "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
        with served(tmp_path, *options, is_open=False) as server:
            answers["/jwks"] = (503, {}, b"")
            server.workers()[0].kill()
            until(lambda: "the keys that a worker read last stay valid" in server.log())
            assert server.ask(body=ROW, headers={"authorization": f"Bearer {token}"}).status == 200


def test_a_redirect_is_not_followed() -> None:
    keys = json.dumps({"keys": [entry(EC, "ES256", "ec")]}).encode()
    answers = {"/jwks": (302, {"Location": "/elsewhere"}, b""), "/elsewhere": (200, {}, keys)}
    with issuer(answers) as (address, asked):
        with pytest.raises(ValueError, match="can not be read"):
            Tokens(f"{address}/jwks", ISSUER, AUDIENCE)
        assert asked == ["/jwks"]
