"""What a data set's bytes are known by: SHA-256 as the contract states it, MD5 as DVC states it."""

from __future__ import annotations

import hashlib
import json
import os.path
from collections.abc import Mapping
from pathlib import PurePosixPath

from project.strict_yaml import Strict
from tabular.contract import Contract
from tabular.reading import site_bytes


class DataHashes(Strict):
    """All files of a data set as one hash of each kind."""

    sha256: str
    md5: str
    """What `dvc.lock` says of the folder, `….dir`, where it holds these files and nothing else."""


def fingerprints_of(contract: Contract) -> tuple[dict[str, str], DataHashes]:
    """Site to the sha256 of its file, and the hashes over all of them.

    Raises:
        Unreachable: A file is missing or its store does not answer.
    """
    sha256, md5 = {}, {}
    for name, site in contract.sites.items():
        content = site_bytes(site.path)
        sha256[name] = hashlib.sha256(content).hexdigest()
        md5[site.path] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    lines = "".join(f"{name} {value}\n" for name, value in sorted(sha256.items()))
    return sha256, DataHashes(sha256=hashlib.sha256(lines.encode()).hexdigest(), md5=dvc_folder_hash(md5))


def dvc_folder_hash(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder, from the MD5 of each file in it.

    Args:
        files: Path or address to the MD5 of its bytes; the deepest folder that holds them all is the one meant.

    Returns:
        MD5 over the list of files as DVC writes it, and `.dir`.
    """
    rooted = {PurePosixPath("/", path): md5 for path, md5 in files.items()}  # some may be relative, some addresses
    above = os.path.commonpath([path.parent for path in rooted])
    found = sorted((str(path.relative_to(above)), md5) for path, md5 in rooted.items())
    listed = json.dumps([{"md5": md5, "relpath": name} for name, md5 in found])
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"
