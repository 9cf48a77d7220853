"""The same buckets in Redis, for limits that hold across replicas."""

from __future__ import annotations

import time
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from serving.limits import Buckets, Policy
from serving.log import LOGGER

TIMEOUT = 0.25
"""Seconds that a request waits for Redis."""
PAUSE = 1.0
"""Seconds in which Redis is not asked after it did not answer."""
CONNECTIONS = 64
TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
if full - now > burst * interval + 1 then full = now end
local wait = full + interval - now - burst * interval
if wait > 1e-6 then return {tostring(wait), tostring(full - now)} end
full = full + interval
redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000) + 1000)
return {'0', tostring(full - now)}
"""
"""One bucket's turn, which Redis runs as a whole; its own clock counts, so that replicas need not agree on theirs.
A bucket that is emptier than one can be was written by another clock (Redis failed over, or its clock was set back): it
counts as full, for nobody knows what it was and it would lock its caller out."""


class RedisBuckets:
    """Buckets in Redis; while it can not be reached, those of this server alone count.

    Args:
        url: `redis://HOST:PORT/NUMBER` or `rediss://…`.
        password: From a file or the environment, never from the command line.
        local: Count while Redis is away.
    """

    def __init__(self, url: str, password: str | None, local: Buckets) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            password=password,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            timeout=TIMEOUT,
            max_connections=CONNECTIONS,
            retry=Retry(NoBackoff(), 1),  # a connection that Redis closed meanwhile; no request waits longer for it
        )
        self._take: Any = Redis(connection_pool=pool).register_script(TAKE)
        self._local, self._again = local, 0.0

    async def take(self, policy: Policy, subject: str) -> tuple[float, float]:
        """As `Buckets.take`."""
        if time.monotonic() < self._again:
            return self._local.take(policy, self._local.tag(subject))
        try:
            found = await self._take(keys=[f"ratelimit:{subject}"], args=[policy.interval, policy.burst])
        except (RedisError, OSError) as error:
            if not self._again:
                LOGGER.error("Redis is away (%s); each server limits alone until it is back", type(error).__name__)
            self._again = time.monotonic() + PAUSE
            return self._local.take(policy, self._local.tag(subject))
        if self._again:
            LOGGER.info("Redis is back")
        self._again = 0.0
        return float(found[0]), float(found[1])
