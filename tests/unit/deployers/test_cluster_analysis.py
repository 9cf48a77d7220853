"""What pods counted, held against the guard: on the server's own exposition."""

from __future__ import annotations

from collections import Counter

import pytest

from deployers.kubernetes.analysis import Seen, seen, verdict
from deployers.traffic import Guard
from serving.metrics import exposition

GUARD = Guard(errors=0.02, slow_seconds=0.1, slow=0.05, requests=50, shift=0.25)


def pod(answers: dict[str, int], buckets: dict[int, int], responses: list[tuple[str, int, int]]) -> str:
    """The text of a pod: rows by label, answers by number of the histogram's bucket, responses by route and status."""
    counts = [buckets.get(number, 0) for number in range(14)]
    tally = {
        "model": "heart_disease", "version": "v2", "classes": list(answers), "predicted": list(answers.values()),
        "buckets": counts, "seconds": 1.0, "failed": 0, "shadow": {}, "feedback": 0, "reward": 0.0,
    }  # fmt: skip
    return exposition([{"responses": responses, "lost": 0, "tallies": [tally]}], []).decode()


def test_several_pods_are_counted_together() -> None:
    first = pod({"disease": 30, "no disease": 10}, {0: 30, 10: 10}, [("/predict", 200, 40), ("/predict", 500, 3)])
    second = pod({"disease": 1, "no disease": 9}, {0: 10}, [("/predict", 422, 5), ("/health/ready", 503, 9)])
    found = seen([first, second])
    assert (found.answered, found.failed, found.requests) == (50, 3, 53)
    assert found.labels == {"disease": 31, "no disease": 19}
    assert found.slower_than(0.1) == 10


@pytest.mark.parametrize(("seconds", "slow"), [(0.00001, 40), (0.0001, 10), (0.09, 10), (0.25, 0), (5.0, 0)], ids=str)
def test_a_bound_between_two_counts_takes_the_lower_one(seconds: float, slow: int) -> None:
    assert seen([pod({"a": 40}, {0: 30, 10: 10}, [])]).slower_than(seconds) == slow


def counted(answered: int, *, failed: int = 0, slow: int = 0, labels: dict[str, int] | None = None) -> Seen:
    return Seen(answered, failed, Counter({0.1: answered - slow}), Counter(labels or {"a": answered}))


USUAL = Counter({"a": 1000})


@pytest.mark.parametrize(
    ("challenger", "champion", "reason"),
    [
        pytest.param(counted(1000), USUAL, "", id="as the champion"),
        pytest.param(counted(40, failed=9), USUAL, "", id="too few to judge"),
        pytest.param(counted(98, failed=2), USUAL, "", id="errors on the bound"),
        pytest.param(counted(97, failed=3), USUAL, "3 of 100 requests failed, at most 2.0% may", id="errors above it"),
        pytest.param(counted(100, slow=5), USUAL, "", id="slow on the bound"),
        pytest.param(
            counted(100, slow=6), USUAL, "6 of 100 requests took over 100 ms, at most 5.0% may", id="slow above it"
        ),
        pytest.param(counted(100, labels={"a": 75, "b": 25}), USUAL, "", id="shift on the bound"),
        pytest.param(
            counted(100, labels={"a": 70, "b": 30}),
            USUAL,
            "70% of its answers are 'a' and 100% of the champion's, at most 25% apart they may be",
            id="shift above it",
        ),
        pytest.param(counted(100, labels={"b": 100}), Counter({"a": 49}), "", id="too few of the champion"),
    ],
)
def test_verdict(challenger: Seen, champion: Counter[str], reason: str) -> None:
    assert verdict(challenger, champion, GUARD) == reason


def test_what_the_champion_did_before_does_not_count() -> None:
    assert counted(100, labels={"a": 70, "b": 30}).since({"a": 70, "b": 5, "c": 3}) == Counter({"b": 25})
