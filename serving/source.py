"""The options that give the server its bundle directly, where no deployer writes the endpoint's traffic file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from serving.folder import ACCEPTED, TRAFFIC, write_json
from serving.manifest import Manifest, read_manifest, verified_files

REMOTE = re.compile(r"s3://[^/]+/?.*")
DIGEST = re.compile(r"[0-9a-f]{64}")
SHORT = 12
BUNDLES = "bundles"
"""In the endpoint's folder: what came from a store, by digest."""


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser that has `--directory`."""
    group = parser.add_argument_group("what to serve", "without --bundle what DIR/traffic.json says")
    group.add_argument("--bundle", metavar="ADDRESS", help="a bundle's folder, or s3://BUCKET/PREFIX")
    group.add_argument("--digest", help="the bundle digest it must have (default: the one its manifest states)")
    group.add_argument("--version", help="what the answers call it (default: the start of its digest)")


def source_complaint(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if all is well."""
    if not options.bundle and (options.digest or options.version):
        return "--digest and --version say more about --bundle ADDRESS; give that too"
    if options.bundle and "://" in options.bundle and not REMOTE.fullmatch(options.bundle):
        return f"--bundle {options.bundle!r} is no address; give a folder or s3://BUCKET/PREFIX"
    if options.digest and not DIGEST.fullmatch(options.digest):
        return f"--digest {options.digest!r} is none; it is the 64 hexadecimal digits that manifest.json states"
    if options.version and not (options.version.isascii() and options.version.isprintable()):
        return f"--version {options.version!r} can not stand in a response header; use printable ASCII characters"
    if options.version and "/" in options.version:
        return f"--version {options.version!r} can not stand in an address; use a name without /"
    return ""


def direct_all_traffic(options: argparse.Namespace) -> None:
    """Check the bundle that the options name and write a traffic file with it alone.

    Raises:
        BundleRefused: A byte of it is not what its manifest says, or the digest not the one it must have.
        BundleUnreachable: Its store does not give it.
        OSError: The endpoint's folder can not be written.
    """
    path, manifest = _located(options.bundle, options.directory / BUNDLES, options.digest)
    version = options.version or manifest.digest[:SHORT]
    plan = {"mode": "replace", "weights": {version: 100}}
    bundles = {version: {"path": str(path), "digest": manifest.digest}}
    (options.directory / ACCEPTED).unlink(missing_ok=True)  # who names a bundle wants that one and none before it
    write_json(options.directory / TRAFFIC, {"generation": 1, "plan": plan, "bundles": bundles})


def _located(address: str, below: Path, digest: str | None) -> tuple[Path, Manifest]:
    if REMOTE.fullmatch(address):
        from serving.s3 import pull  # whose client only this needs

        return pull(address, below, digest)
    folder = Path(address).resolve()
    manifest = read_manifest(folder, digest)
    verified_files(folder, manifest)
    return folder, manifest
