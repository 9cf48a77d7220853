"""JSON Web Tokens: signed by a key of a JWKS file or address, for this audience, from this issuer, not expired."""

from __future__ import annotations

import json
import time
import urllib.request
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import jwt

from serving.keys import LEEWAY, SCOPES, Caller, TokenRefused, UnknownKey
from serving.log import LOGGER

ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
"""The one algorithm of each kind of key. The token's own word for it is not believed: `none`, and an HMAC keyed with a
public key, are how tokens are forged (RFC 8725, 2.1)."""
FETCH_EVERY, FETCH_AGAIN, FETCH_TIMEOUT = 300.0, 10.0, 5.0
"""Seconds: between two fetches, between two that unknown keys cause, and for one."""
LARGEST_SET = 1 << 20
REMEMBERED = 10_000


class Tokens:
    """Verifies tokens, and remembers those that it verified until they expire.

    Args:
        source: A JWKS file, or its address (https, or http on this machine).
        issuer: The `iss` that a token must have.
        audience: The `aud` that a token must be for.

    Raises:
        ValueError: The source can not be read at the start, or has no key of a kind that is taken.
    """

    def __init__(self, source: str, issuer: str, audience: str) -> None:
        self.source, self.issuer, self.audience = source, issuer, audience
        self.remote = "://" in source
        if self.remote and not _safe(source):
            raise ValueError(f"{source}: a JWKS address begins with https:// (http:// on this machine alone)")
        self._verified: dict[bytes, Caller] = {}
        self._keys: dict[str | None, tuple[jwt.PyJWK, str]] = {}
        self._text, self._fetched = b"", 0.0
        self.refresh()

    @property
    def due(self) -> bool:
        """Whether the set should be fetched again."""
        return time.monotonic() - self._fetched > FETCH_EVERY

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
        try:
            entries = json.loads(text)["keys"]
            usable = [(entry, ALGORITHMS[entry["kty"]]) for entry in entries if entry.get("kty") in ALGORITHMS]
            keys = {entry.get("kid"): (jwt.PyJWK(entry, name), name) for entry, name in usable}
        except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
            raise ValueError(f"{self.source}: not a JWKS document: {error!r}") from None
        if not keys:
            raise ValueError(f"{self.source}: no RSA, EC or OKP key in it")
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
        digest = sha256(token).digest()
        known = self._verified.get(digest)
        if known is not None and known.expires + LEEWAY > time.time():
            return known
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise TokenRefused("the bearer token is not a JSON Web Token") from None
        found = self._keys.get(kid) or (
            next(iter(self._keys.values())) if kid is None and len(self._keys) == 1 else None
        )
        if found is None:
            raise UnknownKey("the token is signed by a key that is not known here")
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
        stated = claims.get("scope", claims.get("scp", ""))
        scopes = stated.split() if isinstance(stated, str) else [str(each) for each in stated]
        subject = str(claims.get("sub", "token"))
        caller = Caller(f"jwt:{subject}", frozenset(scopes) & frozenset(SCOPES), float(claims["exp"]))
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[digest] = caller
        return caller


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
        with urllib.request.urlopen(source, timeout=FETCH_TIMEOUT) as answer:  # noqa: S310  `_safe` judged the scheme
            text: bytes = answer.read(LARGEST_SET)
            return text
    except OSError as error:
        raise ValueError(f"{source} can not be read: {error}") from None
