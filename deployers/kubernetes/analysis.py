"""What a challenger's pods counted, held against its guard and what the champion's pods counted meanwhile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deployers.traffic import Guard

SAMPLE = re.compile(r"^(\w+)\{([^}]*)\} ([\d.e+-]+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(slots=True)
class Seen:
    """Requests that the pods of one version answered or failed."""

    answered: int = 0
    failed: int = 0
    within: Counter[float] = field(default_factory=Counter)
    """Answers by the time they took at most, in seconds, as the servers' histograms have it."""
    labels: Counter[str] = field(default_factory=Counter)
    """Rows by what was predicted."""

    @property
    def requests(self) -> int:
        """All that say something of the version."""
        return self.answered + self.failed

    def slower_than(self, seconds: float) -> int:
        """Answers that took longer; a bound between two of the histogram's counts from the lower one on."""
        return self.answered - self.within[max((bound for bound in self.within if bound <= seconds), default=-1.0)]

    def since(self, labels: Mapping[str, int]) -> Counter[str]:
        """Rows by what was predicted, without those of an earlier count."""
        return self.labels - Counter(labels)


def seen(expositions: Iterable[str]) -> Seen:
    """The counts of several pods together, from the texts of their `/metrics`."""
    found = Seen()
    for text in expositions:
        for name, labels, value in SAMPLE.findall(text):
            of, count = dict(LABEL.findall(labels)), int(float(value))
            match name:
                case "prediction_duration_seconds_count":
                    found.answered += count
                case "prediction_duration_seconds_bucket" if of["le"] != "+Inf":
                    found.within[float(of["le"])] += count
                case "predictions_total":
                    found.labels[of["label"]] += count
                case "http_responses_total" if of["status"].startswith("5") and not of["route"].startswith("/health"):
                    found.failed += count
    return found


def verdict(challenger: Seen, champion: Counter[str], guard: Guard) -> str:
    """Why the challenger has to go, or nothing; too few requests are no reason.

    Args:
        challenger: All that it did.
        champion: Rows that the champion predicted meanwhile, by label.
        guard: What the challenger may do.
    """
    requests, slow = challenger.requests, challenger.slower_than(guard.slow_seconds)
    if requests < guard.requests:
        return ""
    if challenger.failed > guard.errors * requests:
        return f"{challenger.failed} of {requests} requests failed, at most {guard.errors:.1%} may"
    if slow > guard.slow * requests:
        limit = f"{guard.slow_seconds * 1000:g} ms"
        return f"{slow} of {requests} requests took over {limit}, at most {guard.slow:.1%} may"
    return shifted(challenger.labels, champion, guard)


def shifted(challenger: Counter[str], champion: Counter[str], guard: Guard) -> str:
    """Where the challenger predicts a label much more or less often than the champion; nothing if it does not."""
    mine, theirs = challenger.total(), champion.total()
    if min(mine, theirs) < guard.requests:
        return ""
    for label in sorted(challenger | champion):
        share, usual = challenger[label] / mine, champion[label] / theirs
        if abs(share - usual) > guard.shift:
            allowed = f"at most {guard.shift:.0%} apart they may be"
            return f"{share:.0%} of its answers are {label!r} and {usual:.0%} of the champion's, {allowed}"
    return ""
