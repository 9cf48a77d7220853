"""What a challenger may do before its traffic goes back to the champion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


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
    shift: float = 1.0
    """Largest difference between its share and the champion's of answers with the same label."""


@dataclass(slots=True)
class Watch:
    """A challenger's record since its plan began."""

    bounds: Bounds
    requests: int = 0
    failed: int = 0
    slow: int = 0
    labels: Counter[int] = field(default_factory=Counter)
    """Rows by predicted class."""
    usual: Counter[int] = field(default_factory=Counter)
    """Rows that the champion predicted meanwhile."""

    def verdict(self, seconds: float, failed: bool, predicted: Sequence[int] = ()) -> str:
        """Count one request; why the challenger has to go, or nothing."""
        bounds = self.bounds
        self.requests += 1
        self.failed += failed
        self.slow += seconds > bounds.slow_seconds
        self.labels.update(predicted)
        if self.requests < bounds.requests:
            return ""
        if self.failed > bounds.errors * self.requests:
            return f"{self.failed} of {self.requests} requests failed, at most {bounds.errors:.1%} may"
        if self.slow > bounds.slow * self.requests:
            limit = f"{bounds.slow_seconds * 1000:g} ms"
            return f"{self.slow} of {self.requests} requests took over {limit}, at most {bounds.slow:.1%} may"
        return self._shifted()

    def _shifted(self) -> str:
        """Where it predicts a class much more or less often than the champion, which must have had requests too."""
        mine, theirs = self.labels.total(), self.usual.total()
        if min(mine, theirs) < self.bounds.requests:
            return ""
        share, usual = max(
            ((self.labels[each] / mine, self.usual[each] / theirs) for each in self.labels | self.usual),
            key=lambda pair: abs(pair[0] - pair[1]),
        )
        if abs(share - usual) <= self.bounds.shift:
            return ""
        allowed = f"at most {self.bounds.shift:.0%} apart they may be"
        return f"{share:.0%} of its answers are of one class and {usual:.0%} of the champion's, {allowed}"
