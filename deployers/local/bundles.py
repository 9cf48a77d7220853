"""The bundles an endpoint keeps: verified copies, so that what trained them may vanish."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from project.errors import Refused
from tabular.bundle import Bundle, read_bundle, write_bundle

SHORT = 12


def place(bundles: Path, digest: str) -> Path:
    """Where the bundle of this digest lies."""
    return bundles / digest[:SHORT]


def install(source: Path, bundles: Path) -> Bundle:
    """Copy a bundle among the endpoint's own; a copy appears whole or not at all.

    Raises:
        Refused: The source, or what was written of it, does not match its manifest.
        OSError: There is no room, or the disk can not be written.
    """
    bundle = read_bundle(source)
    target = place(bundles, bundle.digest)
    if _is_whole(target, bundle.digest):
        return bundle
    bundles.mkdir(parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=bundles))
    try:
        write_bundle(bundle, incoming)
        read_bundle(incoming)
        incoming.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        incoming.rename(target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return bundle


def prune(bundles: Path, keep: Iterable[str]) -> None:
    """Remove every bundle but those of the digests `keep`."""
    kept = {digest[:SHORT] for digest in keep}
    for folder in bundles.iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _is_whole(folder: Path, digest: str) -> bool:
    if not folder.is_dir():
        return False
    try:
        return read_bundle(folder).digest == digest
    except Refused:
        return False
