"""The same buckets in Redis, for limits that hold across replicas."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from serving.limits import Buckets, Policy
from serving.log import LOGGER

TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = full + interval - now - burst * interval
if wait > 1e-6 then return {tostring(wait), tostring(full - now)} end
full = full + interval
redis.call('SET', KEYS[1], string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000) + 1000)
return {'0', tostring(full - now)}
"""
"""One bucket's turn, which Redis runs as a whole; its own clock counts, so that replicas need not agree on theirs."""


class RedisBuckets:
    """Buckets in Redis; while it can not be reached, those of this server alone count.

    Args:
        url: `redis://HOST:PORT/NUMBER` or `rediss://…`.
        password: From a file or the environment, never from the command line.
        local: Count while Redis is away.
    """

    def __init__(self, url: str, password: str | None, local: Buckets) -> None:
        self._redis = Redis.from_url(
            url, password=password, socket_timeout=0.25, socket_connect_timeout=0.25, max_connections=64
        )
        self._take: Any = self._redis.register_script(TAKE)
        self._local, self._away = local, False

    async def take(self, policy: Policy, subject: str) -> tuple[float, float]:
        """As `Buckets.take`."""
        try:
            found = await self._take(keys=[f"ratelimit:{subject}"], args=[policy.interval, policy.burst])
        except (RedisError, OSError) as error:
            if not self._away:
                LOGGER.error("Redis is away (%s); each server limits alone until it is back", type(error).__name__)
            self._away = True
            return self._local.take(policy, self._local.tag(subject))
        if self._away:
            LOGGER.info("Redis is back")
        self._away = False
        return float(found[0]), float(found[1])
