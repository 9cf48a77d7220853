"""The manifest of a bundle: which files it has, the sha256 of each, and the digest over them all.

The supervisor reads it too, so this imports nothing but Python's own library.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FORMAT = 1
MANIFEST = "manifest.json"
NEEDED = ("contract.json", "model.onnx", "serving.json")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Of a file of a bundle: it can lead nowhere else."""


class BundleRefused(Exception):
    """A bundle that must not take traffic; the message says why."""


class BundleUnreachable(Exception):
    """A bundle that its store does not give; the message says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, in agreement with its digest."""

    digest: str
    files: Mapping[str, str]
    """The sha256 of each file by its name."""

    @classmethod
    def parse(cls, data: bytes, bundle: str, digest: str | None = None) -> Manifest:
        """Read `manifest.json`.

        Args:
            data: Its content.
            bundle: Where it comes from, for messages.
            digest: The bundle digest it must have; None takes the one it states, if that is the digest of its files.

        Raises:
            BundleRefused: It is not in this server's format, or does not have the digest.
        """
        try:
            manifest = json.loads(data)
            version, files, stated = manifest["format"], dict(manifest["files"]), manifest["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise BundleRefused(f"bundle {bundle}: no readable {MANIFEST}: {error!r}") from None
        if version != FORMAT:
            way = "serve it with the version of the server that its format came with, or train it again with this one"
            raise BundleRefused(f"bundle {bundle}: format {version}, this server reads {FORMAT}; {way}")
        pairs = "".join(f"{name} {value}\n" for name, value in sorted(files.items()))
        if sha256(pairs.encode()) != stated or stated != (digest or stated):
            expected = str(digest or stated)[:12]
            raise BundleRefused(f"bundle {bundle}: {MANIFEST} does not have the expected digest {expected}")
        for name in files:
            if not NAME.fullmatch(name) or name == MANIFEST:
                raise BundleRefused(f"bundle {bundle}: {MANIFEST} names {name!r}, which is no file of a bundle")
        for name in NEEDED:
            if name not in files:
                raise BundleRefused(f"bundle {bundle}: {name} is missing")
        return cls(stated, files)

    def check(self, name: str, data: bytes, bundle: str) -> None:
        """Compare the content of one file with its sha256.

        Raises:
            BundleRefused: They differ.
        """
        if sha256(data) != self.files[name]:
            raise BundleRefused(f"bundle {bundle}: {name} does not match its sha256")


def read_manifest(folder: Path, digest: str | None = None) -> Manifest:
    """The manifest of a bundle on this machine; arguments and errors as for `Manifest.parse`."""
    try:
        data = (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise BundleRefused(f"bundle {folder}: no readable {MANIFEST}: {error.strerror}") from None
    return Manifest.parse(data, str(folder), digest)


def verified_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The content of every file of a bundle.

    Raises:
        BundleRefused: A file can not be read, or does not match its sha256.
    """
    content: dict[str, bytes] = {}
    for name in manifest.files:
        try:
            content[name] = (folder / name).read_bytes()
        except OSError as error:
            raise BundleRefused(f"bundle {folder}: {name} can not be read: {error.strerror}") from None
        manifest.check(name, content[name], str(folder))
    return content


def sha256(data: bytes) -> str:
    """The sha256 of some content, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
