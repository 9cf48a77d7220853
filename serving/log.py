"""Logs: one line of JSON per event on stderr."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter

LOGGER = logging.getLogger("serving")
MOST, SECONDS = 20, 60.0
"""So many lines of one kind are written in so many seconds; a client that provokes them must not fill the disk."""


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; a traceback becomes a field."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "pid": os.getpid(),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class Sparing(logging.Filter):
    """Drops lines of a kind of which there were many, and says how many with the next that passes."""

    def __init__(self) -> None:
        super().__init__()
        self._since = 0.0
        self._seen: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if record.created - self._since > SECONDS:
            dropped = sum(max(seen - MOST, 0) for seen in self._seen.values())
            self._since, self._seen = record.created, Counter()
            if dropped:
                record.msg = f"{record.msg} ({dropped} lines before it were dropped)"
        self._seen[str(record.msg)] += 1
        return self._seen[str(record.msg)] <= MOST


def start() -> None:
    """Send everything to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    handler.addFilter(Sparing())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # it warns of what clients send
