"""The files that the pages need, each at an address that changes with its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TYPES = {
    "docs.js": b"text/javascript; charset=utf-8",
    "form.js": b"text/javascript; charset=utf-8",
    "style.css": b"text/css; charset=utf-8",
}
"""Every file there is."""


@dataclass(frozen=True, slots=True)
class File:
    """One file, read once."""

    content: bytes
    sha256: str


@cache
def read(name: str) -> File:
    """A file of `TYPES`."""
    content = (Path(__file__).parent / name).read_bytes()
    return File(content, hashlib.sha256(content).hexdigest())


def address(name: str) -> str:
    """Where a page finds a file; relative, so that a proxy may put the server below a path."""
    return f"static/{name}?v={read(name).sha256[:12]}"
