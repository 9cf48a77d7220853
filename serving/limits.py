"""Rate limits: token buckets that all workers of one server share, or all replicas when there is a Redis.

A bucket is kept as the time at which it will be full again (the generic cell rate algorithm, ITU-T I.371, which
equals a token bucket). So it is one number, a bucket that is full again equals one that was never there, and nothing
has to be tidied up.
"""

from __future__ import annotations

import math
import mmap
import os
import time
from dataclasses import dataclass, field
from hashlib import blake2b
from http import HTTPStatus

from serving.http import Headers
from serving.problems import Problem

SLOTS = 1 << 16
PROBES = 8
SIZE = 16 * SLOTS + 16


@dataclass(frozen=True, slots=True)
class Policy:
    """How often one caller may ask.

    Args:
        name: Of what is counted: `key` or `address`; it stands in the `RateLimit` headers.
        rate: Requests per second in the long run.
        burst: Requests at once.
    """

    name: str
    rate: float
    burst: int
    interval: float = field(init=False)
    """Seconds that one request costs."""
    _stated: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "interval", 1 / self.rate)
        window = math.ceil(self.burst / self.rate)  # seconds in which an empty bucket fills
        stated = b'"%s";q=%d;w=%d' % (self.name.encode(), self.burst, window)
        object.__setattr__(self, "_stated", (b"ratelimit-policy", stated))

    def headers(self, used: float) -> Headers:
        """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).

        Args:
            used: Seconds until the bucket is full again.
        """
        left = max(int(self.burst - used * self.rate + 1e-9), 0)
        return [self._stated, (b"ratelimit", b'"%s";r=%d;t=%d' % (self.name.encode(), left, math.ceil(used)))]

    def refusal(self, wait: float, used: float) -> Problem:
        """The problem of a request that comes too early by `wait` seconds."""
        seconds = max(math.ceil(wait), 1)
        detail = f"more than {self.rate:g} requests per second for this {self.name}; try again in {seconds} s"
        headers = [(b"retry-after", b"%d" % seconds), *self.headers(used)]
        return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers)


class Buckets:
    """Buckets in memory that the supervisor shares with its workers.

    Two workers that take from one bucket in the same instant may count one request for both: the limit is then
    exceeded by that one. A lock would cost every request more than that is worth.

    Args:
        shared: File descriptor of `SIZE` bytes of shared memory; None for memory of this process alone.
    """

    def __init__(self, shared: int | None = None) -> None:
        memory = memoryview(mmap.mmap(-1 if shared is None else shared, SIZE))
        self._secret = bytes(memory[:16])
        self._tags, self._full = memory[16 : 16 + 8 * SLOTS].cast("Q"), memory[16 + 8 * SLOTS :].cast("d")

    @staticmethod
    def share() -> int:
        """Memory for the buckets of one server; the secret in it keeps callers from choosing each other's slot."""
        shared = os.memfd_create("limits")
        os.truncate(shared, SIZE)
        os.pwrite(shared, os.urandom(16), 0)
        return shared

    def tag(self, subject: str) -> int:
        """The number of a caller."""
        return int.from_bytes(blake2b(subject.encode(), digest_size=8, key=self._secret).digest()) or 1

    def take(self, policy: Policy, tag: int) -> tuple[float, float]:
        """Take one request from a caller's bucket.

        Returns:
            Seconds to wait (0: it may pass), and seconds until the bucket is full again.
        """
        slot, now = self._slot(tag), time.monotonic()
        full, interval = max(self._full[slot], now), policy.interval
        wait = full + interval - now - policy.burst * interval
        if wait > 1e-9:
            return wait, full - now
        self._full[slot] = full + interval
        return 0.0, full + interval - now

    def _slot(self, tag: int) -> int:
        """Where a caller's number is, or the slot nearby that is full again first, taken over."""
        first = tag % (SLOTS - PROBES)
        for slot in range(first, first + PROBES):
            if self._tags[slot] == tag:
                return slot
        slot = min(range(first, first + PROBES), key=self._full.__getitem__)
        self._tags[slot], self._full[slot] = tag, 0.0
        return slot
