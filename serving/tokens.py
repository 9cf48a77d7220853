"""JSON Web Tokens: signed by a key of a JWKS file or address, for this audience, from this issuer, not expired."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Mapping
from hashlib import sha256
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from serving.folder import write_json
from serving.keys import JWT, LEEWAY, SCOPES, Caller, TokenRefused, UnknownKey
from serving.log import LOGGER

ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""The one algorithm of each kind of key. The token's own word for it is not believed: `none`, and an HMAC keyed with a
public key, are how tokens are forged (RFC 8725, 2.1)."""
CURVES = {"ES256": "P-256", "EdDSA": "Ed25519"}
LOOK_EVERY = 1.0
"""Seconds between two looks at a JWKS file."""
FETCH_EVERY, FETCH_AGAIN, FETCH_TIMEOUT = 300.0, 10.0, 5.0
"""Seconds: between two fetches, between two that unknown keys cause, and for one."""
LARGEST_SET = 1 << 20
LONGEST = 8192
"""Bytes of a token."""
REMEMBERED = 10_000


class NotElsewhere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, so that its answer is an error."""

    def redirect_request(self, *_: Any) -> None:
        """Not followed."""


class Tokens:
    """Verifies tokens, and remembers those that it verified until they expire.

    Args:
        source: A JWKS file, or its address (https, or http on this machine).
        issuer: The `iss` that a token must have.
        audience: The `aud` that a token must be for.
        known: Where a worker keeps the set, and finds it where the source can not be read at its start.

    Raises:
        ValueError: The source can not be read at the start, or has no key of a kind that is taken.
    """

    def __init__(self, source: str, issuer: str, audience: str, known: Path | None = None) -> None:
        self.source, self.issuer, self.audience, self._known = source, issuer, audience, known
        self.remote = "://" in source
        if self.remote and not _safe(source):
            raise ValueError(f"{source}: a JWKS address begins with https:// (http:// on this machine alone)")
        self._verified: dict[bytes, Caller] = {}
        self._keys: dict[str | None, tuple[jwt.PyJWK, str]] = {}
        self._text, self._fetched = b"", 0.0
        try:
            self.refresh()
        except ValueError as error:
            if known is None or not known.exists():
                raise
            LOGGER.error("%s; the keys that a worker read last stay valid", error)
            self._take(_read(str(known)))

    @property
    def due(self) -> bool:
        """Whether the set should be read again."""
        return time.monotonic() - self._fetched > (FETCH_EVERY if self.remote else LOOK_EVERY)

    @property
    def may_fetch(self) -> bool:
        """Whether an unknown key may cause a fetch already."""
        return self.remote and time.monotonic() - self._fetched > FETCH_AGAIN

    def refresh(self) -> None:
        """Read the set again; the tokens of keys that are gone are valid no more.

        Raises:
            ValueError: It can not be read, or has no key of a kind that is taken.
        """
        self._fetched = time.monotonic()
        text = _read(self.source)
        if text == self._text:
            return
        self._take(text)
        if self._known is not None:
            try:
                write_json(self._known, json.loads(text))
            except OSError as error:
                LOGGER.error("%s can not be written: %s", self._known, error.strerror)

    def _take(self, text: bytes) -> None:
        """Let these keys count and no others."""
        try:
            entries = [entry for entry in json.loads(text)["keys"] if entry.get("use", "sig") == "sig"]
            keys = {entry.get("kid"): found for entry in entries if (found := _key(entry))}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{self.source}: not a JWKS document: {error!r}") from None
        if not keys:
            raise ValueError(f"{self.source}: no key in it that signs by {', '.join(ALGORITHMS.values())}")
        self._text, self._keys, self._verified = text, keys, {}
        LOGGER.info("JWKS: %d keys", len(keys))

    def refresh_or_keep(self) -> None:
        """Read the set again; on a failure the known keys stay."""
        try:
            self.refresh()
        except ValueError as error:
            LOGGER.error("%s; the keys known so far stay valid", error)

    def caller(self, token: bytes) -> Caller:
        """Who the token is for.

        Raises:
            TokenRefused: It is not one of the issuer for this audience, or not valid now.
        """
        if not self.remote and self.due:
            self.refresh_or_keep()
        # Of one set, in this order: another thread may put a newer one in their place meanwhile.
        verified, keys = self._verified, self._keys
        digest = sha256(token).digest()
        known = verified.get(digest)
        if known is not None and known.expires + LEEWAY > time.time():
            return known
        if len(token) > LONGEST:
            raise TokenRefused(f"the bearer token is longer than {LONGEST} bytes")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, RecursionError):
            raise TokenRefused("the bearer token is not a JSON Web Token") from None
        found = keys.get(kid) or (next(iter(keys.values())) if kid is None and len(keys) == 1 else None)
        if found is None:
            if kid is None:
                raise UnknownKey(f"the token names no key (`kid`), and {len(keys)} sign here")
            raise UnknownKey(f"the token is signed by the key {kid!r:.80}, which is not known here")
        try:
            claims = jwt.decode(
                token,
                found[0].key,
                algorithms=[found[1]],
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(f"the token is refused: {error}") from None
        except (OverflowError, RecursionError):
            raise TokenRefused("the token is refused: its claims can not be read") from None
        caller = Caller(f"{JWT}{ascii(claims.get('sub', 'token'))[1:-1]}", _scopes(claims), float(claims["exp"]))
        if len(verified) >= REMEMBERED:
            verified.clear()
        verified[digest] = caller
        return caller


def _key(entry: Mapping[str, Any]) -> tuple[jwt.PyJWK, str] | None:
    """A key and its algorithm; None for one of another kind, curve or algorithm: a set may hold them too."""
    name = ALGORITHMS.get(entry["kty"])
    if name is None or entry.get("alg", name) != name or entry.get("crv", CURVES.get(name)) != CURVES.get(name):
        return None
    try:
        return jwt.PyJWK(dict(entry), name), name
    except jwt.PyJWTError as error:
        LOGGER.error("JWKS: a key is left out: %s", error)
        return None


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """What `scope`, a text (RFC 8693), or `scp`, a list, allows; nothing where it is neither."""
    stated = claims.get("scope", claims.get("scp", ""))
    listed = stated.split() if isinstance(stated, str) else stated if isinstance(stated, list) else []
    return frozenset(scope for scope in SCOPES if scope in listed)


def _safe(address: str) -> bool:
    parts = urlsplit(address)
    try:
        loopback = parts.hostname == "localhost" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        loopback = False
    return parts.scheme == "https" or (parts.scheme == "http" and loopback)


def _read(source: str) -> bytes:
    try:
        if "://" not in source:
            return Path(source).read_bytes()
        # `_safe` judged this address; one that it redirects to was judged by nobody.
        with urllib.request.build_opener(NotElsewhere).open(source, timeout=FETCH_TIMEOUT) as answer:
            text: bytes = answer.read(LARGEST_SET)
            return text
    except (OSError, HTTPException) as error:  # an answer that breaks off is one of the latter
        raise ValueError(f"{source} can not be read: {error}") from None
