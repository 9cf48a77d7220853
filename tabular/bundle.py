"""The bundle: the folder that leaves training and that serving, batch and monitoring read.

Content files (in the digest): `model.onnx`, `contract.json`, `serving.json`, `reference.parquet`,
`metrics.json`, `model_card.md`. `manifest.json` names their sha256; `provenance.json` (commit, run ids,
times) lies beside them, outside the digest, so that the same training on another stack has the same digest.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from project.errors import ProjectError, Refused

FORMAT = 1
CONTENT = ("contract.json", "metrics.json", "model.onnx", "model_card.md", "reference.parquet", "serving.json")
MANIFEST, PROVENANCE = "manifest.json", "provenance.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bytes of a bundle by file name; small enough to be held whole."""

    content: Mapping[str, bytes]
    libraries: Mapping[str, str]
    data_sha256: str
    provenance: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted (path, sha256) pairs of the content files, in hex."""
        return digest_of({name: sha256(data) for name, data in self.content.items()})

    def json(self, name: str) -> dict[str, Any]:
        """One of the JSON content files, parsed."""
        value: dict[str, Any] = json.loads(self.content[name])
        return value

    @property
    def manifest(self) -> bytes:
        """`manifest.json` as it is written."""
        return to_json(
            {
                "format": FORMAT,
                "name": self.json("contract.json")["name"],
                "digest": self.digest,
                "files": {name: sha256(data) for name, data in sorted(self.content.items())},
                "libraries": dict(self.libraries),
                "data_sha256": self.data_sha256,
            }
        )


def write_bundle(bundle: Bundle, folder: Path) -> None:
    """Write a bundle into an empty or new folder; the manifest last, so a half-written folder is no bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in bundle.content.items():
        (folder / name).write_bytes(data)
    (folder / PROVENANCE).write_bytes(to_json(dict(bundle.provenance)))
    (folder / MANIFEST).write_bytes(bundle.manifest)


def check_replaceable(folder: Path) -> None:
    """Make sure that a bundle can be put there.

    Raises:
        Refused: The folder holds something that is not a bundle.
        ProjectError: It can not be written beside it.
    """
    if folder.exists() and not (folder / MANIFEST).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{folder} exists and is not a bundle; nothing was written", "name another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent).cleanup()
    except OSError as error:
        raise ProjectError(f"{folder} can not be written: {error.strerror}", "name another folder") from None


def replace_bundle(bundle: Bundle, folder: Path) -> None:
    """Put a bundle where another may lie; the old one stays whole until the new one is.

    Raises:
        Refused: The folder holds something that is not a bundle.
        ProjectError: It can not be written beside it.
    """
    check_replaceable(folder)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
        write_bundle(bundle, Path(beside, "new"))
        if folder.exists():
            folder.rename(Path(beside, "old"))
        Path(beside, "new").rename(folder)


def read_bundle(folder: Path, remedy: str = "python run.py deploy") -> Bundle:
    """Read a bundle and check every byte of it against its manifest.

    Args:
        folder: Where it lies.
        remedy: What to do about one that is damaged; a deployment brings an endpoint's own copies anew.

    Raises:
        Refused: A file is missing, foreign or changed, or the format is newer than this code.
    """
    manifest = read_manifest(folder, remedy)
    content: dict[str, bytes] = {}
    for name, expected in manifest["files"].items():
        path = folder / name
        if name not in CONTENT or not path.is_file():
            what = "missing" if name in CONTENT else "not a bundle file"
            raise Refused(f"bundle {folder}: {name} is {what}", remedy)
        content[name] = path.read_bytes()
        if sha256(content[name]) != expected:
            raise Refused(f"bundle {folder}: {name} does not match its sha256 in {MANIFEST}", remedy)
    if digest_of(manifest["files"]) != manifest["digest"] or set(content) != set(CONTENT):
        raise Refused(f"bundle {folder}: {MANIFEST} does not match its own digest", remedy)
    return Bundle(
        content=content,
        libraries=manifest["libraries"],
        data_sha256=manifest["data_sha256"],
        provenance=_provenance(folder, remedy),
    )


def read_manifest(folder: Path, remedy: str = "python run.py deploy") -> dict[str, Any]:
    """The manifest alone, its format checked; `remedy` as for `read_bundle`.

    Raises:
        Refused: It is missing, not JSON, lacks a key, or its format is newer than this code.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        version = manifest["format"]
        _ = manifest["files"].items(), manifest["digest"], manifest["libraries"], manifest["data_sha256"]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise Refused(f"{folder} is not a bundle: no readable {MANIFEST}", remedy) from None
    if version != FORMAT:
        what = f"bundle {folder} has format {version}, this version reads {FORMAT}"
        raise Refused(what, "use the version of this project that wrote it")
    return manifest


def _provenance(folder: Path, remedy: str) -> dict[str, str]:
    path = folder / PROVENANCE
    try:
        found: dict[str, str] = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError:
        raise Refused(f"bundle {folder}: {PROVENANCE} is not JSON", remedy) from None
    return found


def digest_of(files: Mapping[str, str]) -> str:
    """The bundle digest from file names and their sha256."""
    return sha256("".join(f"{name} {value}\n" for name, value in sorted(files.items())).encode())


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: object) -> bytes:
    """JSON with sorted keys and a final newline: the same value is the same bytes."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
