"""What a challenger may do before its traffic goes back to the champion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a challenger may do before its traffic goes back to the champion; the plan's `guard`."""

    errors: float
    """Largest share of its requests that may fail."""
    slow_seconds: float
    slow: float
    """Largest share of its requests that may take longer than `slow_seconds`."""
    requests: int
    """Requests that must have been seen before it is judged."""


@dataclass(slots=True)
class Watch:
    """A challenger's record since its plan began."""

    bounds: Bounds
    requests: int = 0
    failed: int = 0
    slow: int = 0

    def verdict(self, seconds: float, failed: bool) -> str:
        """Count one request; why the challenger has to go, or nothing."""
        bounds = self.bounds
        self.requests += 1
        self.failed += failed
        self.slow += seconds > bounds.slow_seconds
        if self.requests < bounds.requests:
            return ""
        if self.failed > bounds.errors * self.requests:
            return f"{self.failed} of {self.requests} requests failed, at most {bounds.errors:.1%} may"
        if self.slow > bounds.slow * self.requests:
            limit = f"{bounds.slow_seconds * 1000:g} ms"
            return f"{self.slow} of {self.requests} requests took over {limit}, at most {bounds.slow:.1%} may"
        return ""
