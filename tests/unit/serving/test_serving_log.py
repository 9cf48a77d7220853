"""The server's own log: lines of one kind are written a few times a minute, and what was left out is told."""

from __future__ import annotations

import json
import logging

from serving.log import MOST, SECONDS, JsonLines, Sparing


def line(message: str, *arguments: object, at: float) -> logging.LogRecord:
    record = logging.LogRecord("serving", logging.ERROR, "", 0, message, arguments, None)
    record.created = at
    return record


def test_lines_of_one_kind_are_bounded_and_the_rest_is_counted() -> None:
    sparing = Sparing()
    passed = [sparing.filter(line("request %s failed", number, at=1000.0)) for number in range(MOST + 30)]
    assert passed == [True] * MOST + [False] * 30
    assert sparing.filter(line("the certificate was read again", at=1001.0))
    later = line("request %s failed", "x", at=1001.0 + SECONDS)
    assert sparing.filter(later)
    assert json.loads(JsonLines().format(later))["message"] == "request x failed (30 lines before it were dropped)"
    assert sparing.filter(line("request %s failed", "y", at=1002.0 + SECONDS))
