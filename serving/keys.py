"""API keys: `python -m serving.keys add --file keys.json --name batch --scopes predict --days 90`.

The file holds the SHA-256 of each key. That is enough because a key is 256 random bits, which nobody can guess from
its hash; a slow hash protects words that people choose, and nobody chooses these.
"""

from __future__ import annotations

import argparse
import hmac
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from serving.folder import stamp
from serving.log import LOGGER
from serving.option_types import number

SCOPES = ("predict", "explain", "admin")
"""What a key may allow; `admin` sees the traffic table and may do everything else too."""
JWT = "jwt:"
"""Begins the name of a caller who has a JSON Web Token instead of a key."""
LEEWAY = 30.0
"""Seconds that clocks may differ."""
LONGEST = 36_500
"""Days until a key expires."""
A_SECOND = 1 / 86_400
"""Of a day: the times in the file are whole seconds."""
RELOAD = 1.0
"""Seconds between two looks at the file."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known."""

    name: str
    scopes: frozenset[str]
    expires: float = float("inf")
    """Seconds since 1970."""

    def may(self, scope: str) -> bool:
        """Whether this scope is allowed."""
        return scope in self.scopes or "admin" in self.scopes


class TokenRefused(Exception):
    """A token that is not accepted; the message may be told to the caller."""


class UnknownKey(TokenRefused):
    """A token of a key that is not in the set, which may have changed."""


class KeyFileError(Exception):
    """The key file can not be used; the message says why."""


class KeyRing:
    """The keys of a file, read again when it changes.

    Args:
        path: Written by `python -m serving.keys`.

    Raises:
        KeyFileError: It is missing or not such a file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp, self._looked = stamp(path), time.monotonic()  # before it is read: what changes meanwhile counts
        self._callers = read_keys(path)
        self._seen: dict[bytes, Caller] = {}

    def caller(self, key: bytes) -> Caller | None:
        """Whose key this is; None for nobody's. It may have expired."""
        if time.monotonic() - self._looked > RELOAD:
            self._reload()
        seen = self._seen.get(key)  # whose hash is keyed by a secret of this process: its time tells nothing of a key
        if seen is not None:
            return seen
        digest = sha256(key).hexdigest()
        found = self._callers.get(digest)
        if not found or not hmac.compare_digest(found[0], digest):
            return None
        self._seen[key] = found[1]  # only what is in the file, so never more than that
        return found[1]

    def _reload(self) -> None:
        self._looked, changed = time.monotonic(), stamp(self.path)
        if changed != self._stamp:
            try:
                self._callers, self._seen = read_keys(self.path), {}
            except KeyFileError as error:
                LOGGER.error("%s; the keys known so far stay valid", error)
                return  # whoever writes it may be done in a moment, within the same tick of the file system's clock
            self._stamp = changed
            LOGGER.info("%s was read again: %d keys", self.path.name, len(self._callers))


def read_keys(path: Path) -> dict[str, tuple[str, Caller]]:
    """Callers by the hash of their key.

    Raises:
        KeyFileError: The file can not be read, or an entry is not complete.
    """
    return {entry["sha256"]: (entry["sha256"], _caller(entry)) for entry in _entries(path)}


def new_entry(name: str, scopes: list[str], days: float | None) -> tuple[str, dict[str, Any]]:
    """A new key, and what is written down of it."""
    key = f"sk_{secrets.token_urlsafe(32)}"
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds") if days else None
    return key, {"name": name, "sha256": sha256(key.encode()).hexdigest(), "scopes": scopes, "expires": expires}


def write_keys(path: Path, entries: Sequence[Mapping[str, Any]]) -> None:
    """Replace the file as a whole, readable by its owner alone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps({"keys": entries}, indent=2) + "\n")
    temporary.replace(path)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        entries = json.loads(path.read_bytes())["keys"]
        for entry in entries:
            _caller(entry)
            bytes.fromhex(entry["sha256"])
    except OSError as error:
        raise KeyFileError(f"key file {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileError(f"key file {path}: not what `python -m serving.keys` writes: {error!r}") from None
    return list(entries)


def _caller(entry: Mapping[str, Any]) -> Caller:
    expires = datetime.fromisoformat(entry["expires"]).timestamp() if entry.get("expires") else float("inf")
    unknown = set(entry["scopes"]) - set(SCOPES)
    if unknown:
        raise ValueError(f"unknown scopes {sorted(unknown)}; known: {', '.join(SCOPES)}")
    return Caller(str(entry["name"]), frozenset(entry["scopes"]), expires)


def main() -> int:
    """Add, list or revoke keys."""
    parser = argparse.ArgumentParser(prog="python -m serving.keys", description="Add, list or revoke API keys.")
    commands = parser.add_subparsers(dest="command", required=True)
    days = number(float, "number of days", f"more than 0 and at most {LONGEST}", A_SECOND, LONGEST)
    for name, says in (("add", "make a key and print it once"), ("list", "show them"), ("revoke", "remove one")):
        command = commands.add_parser(name, help=says)
        command.add_argument("--file", type=Path, default=Path("keys.json"), help="default: %(default)s")
        if name != "list":
            command.add_argument("--name", type=_name, required=True, help="whose key it is")
        if name == "add":
            command.add_argument("--scopes", nargs="+", choices=SCOPES, default=["predict", "explain"])
            command.add_argument("--days", type=days, help="until it expires (default: it does not)")
    options = parser.parse_args()
    try:
        entries = _entries(options.file) if options.command != "add" or options.file.exists() else []
    except KeyFileError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if options.command == "list":
        for entry in entries:
            sys.stdout.write(
                f"{entry['name']}\t{','.join(entry['scopes'])}\t{entry.get('expires') or 'never expires'}\n"
            )
        return 0
    known = [str(entry["name"]) for entry in entries]
    if (options.name in known) == (options.command == "add"):
        problem = "is there already; revoke it first" if options.command == "add" else f"is none of: {', '.join(known)}"
        sys.stderr.write(f"error: {options.name} {problem}\n")
        return 2
    key, entry = new_entry(options.name, options.scopes, options.days) if options.command == "add" else ("", {})
    kept = [*entries, entry] if entry else [entry for entry in entries if entry["name"] != options.name]
    try:
        write_keys(options.file, kept)
    except OSError as error:
        sys.stderr.write(f"error: {options.file} can not be written: {error.strerror}\n")
        return 2
    sys.stdout.write(f"{key}\n" if key else "")
    return 0


def _name(text: str) -> str:
    if not (text and text.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is no name")
    return text


if __name__ == "__main__":
    sys.exit(main())
