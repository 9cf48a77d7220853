"""Who may ask, for what, and how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from serving.cors import check_page
from serving.http import FORWARDED, Headers, Request
from serving.keys import JWT, LEEWAY, SCOPES, Caller, KeyRing, TokenRefused, UnknownKey
from serving.limits import Buckets, Policy
from serving.problems import Problem

if TYPE_CHECKING:  # what they import is needed only where they are asked for
    from serving.redis_limits import RedisBuckets
    from serving.tokens import Tokens

ANYONE = Caller("anyone", frozenset(SCOPES))


class Access:
    """Admits requests.

    Args:
        keys: API keys; with neither keys nor tokens the server is open.
        tokens: JSON Web Tokens.
        by_key: The limit of each key or token subject.
        by_address: The limit of each address.
        buckets: Where the limits are counted.
        redis: Where they are counted for all replicas together.
        proxies: Networks whose `X-Forwarded-For` is believed.
        origins: Web pages of other hosts that may ask an open server.
    """

    def __init__(
        self,
        keys: KeyRing | None = None,
        tokens: Tokens | None = None,
        by_key: Policy | None = None,
        by_address: Policy | None = None,
        buckets: Buckets | None = None,
        redis: RedisBuckets | None = None,
        proxies: Sequence[IPv4Network | IPv6Network] = (),
        origins: Collection[str] = (),
    ) -> None:
        self.keys, self.tokens = keys, tokens
        self.by_key, self.by_address = by_key, by_address
        self.redis, self.proxies, self.origins = redis, proxies, frozenset(origins)
        self.waits = redis is not None or (tokens is not None and tokens.remote)
        """Whether a request may have to wait for another server, so that only `admit_waiting` will do."""
        if by_key or by_address:
            self._buckets = buckets or Buckets()
            self._tag = lru_cache(4096)(self._buckets.tag)

    def admit(self, request: Request, scope: str) -> Headers:
        """Let a request pass.

        Returns:
            Headers for the response that tell of the limit.

        Raises:
            Problem: Too many requests (429), nobody known (401), or not allowed this (403).
        """
        policy, used = self.by_address, 0.0
        if policy:
            used = self._take(policy, f"address:{self.subject(request)}")
        caller = self.identify(request)
        self._check(caller, scope)
        if self.by_key and caller is not ANYONE:
            policy = self.by_key
            used = self._take(policy, f"key:{caller.name}")
        return policy.headers(used) if policy else []

    async def admit_waiting(self, request: Request, scope: str) -> Headers:
        """As `admit`, where limits are counted in Redis or keys are fetched."""
        policy, used = self.by_address, 0.0
        if policy:
            used = await self._take_waiting(policy, f"address:{self.subject(request)}")
        if self.tokens and self.tokens.remote and self.tokens.due:
            await asyncio.to_thread(self.tokens.refresh_or_keep)
        try:
            caller = self.identify(request)
        except Problem as problem:
            if not isinstance(problem.__cause__, UnknownKey) or not self.tokens or not self.tokens.may_fetch:
                raise
            await asyncio.to_thread(self.tokens.refresh_or_keep)
            caller = self.identify(request)
        self._check(caller, scope)
        if self.by_key and caller is not ANYONE:
            policy = self.by_key
            used = await self._take_waiting(policy, f"key:{caller.name}")
        return policy.headers(used) if policy else []

    def identify(self, request: Request) -> Caller:
        """Whose request this is, by `X-API-Key: KEY` or `Authorization: Bearer KEY_OR_TOKEN`.

        Raises:
            Problem: It has neither, or one that is not known or has expired.
        """
        if self.keys is None and self.tokens is None:
            if b"origin" in request.headers:
                check_page(request.headers[b"origin"], self.origins)
            return ANYONE
        given = request.headers.get(b"x-api-key")
        if given is None:
            kind, _, given = request.headers.get(b"authorization", b"").partition(b" ")
            if kind.lower() != b"bearer" or not given:
                raise _unknown("send an API key as X-API-Key, or a key or token as Authorization: Bearer")
        given = given.strip()
        caller = self.keys.caller(given) if self.keys else None
        if caller is None and self.tokens and given.count(b".") == 2:
            try:
                caller = self.tokens.caller(given)
            except TokenRefused as error:
                raise _unknown(str(error)) from error
        if caller is None:
            raise _unknown("the key is not known")
        if caller.expires + (LEEWAY if caller.name.startswith(JWT) else 0) <= time.time():
            raise _unknown("the key has expired")
        return caller

    def subject(self, request: Request) -> str:
        """The address that a request came from; of IPv6 the /64, which is what one customer has."""
        address = request.client
        if self.proxies and self._trusted(address):
            forwarded = request.headers.get(FORWARDED, b"").decode("latin-1")
            for hop in [hop.strip() for hop in forwarded.split(",") if hop.strip()][::-1]:
                if not _valid(hop):
                    break
                address = hop
                if not self._trusted(hop):
                    break
        return _network(address)

    def _trusted(self, address: str) -> bool:
        return _valid(address) and any(ip_address(address) in network for network in self.proxies)

    def _check(self, caller: Caller, scope: str) -> None:
        if not caller.may(scope):
            allowed = ", ".join(sorted(caller.scopes)) or "nothing"
            told = "a token says what it allows in `scope`" if caller.name.startswith(JWT) else ""
            detail = f"the key of {caller.name} does not allow {scope!r}; it allows: {allowed}{told and f'; {told}'}"
            raise Problem(HTTPStatus.FORBIDDEN, "not-allowed", detail)

    def _take(self, policy: Policy, subject: str) -> float:
        return _judged(policy, self._buckets.take(policy, self._tag(subject)))

    async def _take_waiting(self, policy: Policy, subject: str) -> float:
        if self.redis is None:
            return self._take(policy, subject)
        return _judged(policy, await self.redis.take(policy, subject))


def _judged(policy: Policy, taken: tuple[float, float]) -> float:
    """Seconds until the bucket is full again."""
    wait, used = taken
    if wait:
        raise policy.refusal(wait, used)
    return used


def _unknown(detail: str) -> Problem:
    headers = [(b"www-authenticate", b'Bearer realm="model"')]
    return Problem(HTTPStatus.UNAUTHORIZED, "not-known", detail, headers=headers)


def _valid(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


@lru_cache(4096)
def _network(address: str) -> str:
    if ":" not in address or not _valid(address):
        return address
    parsed = IPv6Address(address)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, 64), strict=False).network_address)
