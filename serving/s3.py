"""A bundle in an S3 bucket: its files come to this machine checked against the manifest, all of them or none.

Credentials are looked for in the environment, by web identity (IRSA), at the container's endpoint (ECS, EKS Pod
Identity) and at the instance's, in this order; `s3:GetObject` on the bundle's files is all they must allow.
`AWS_ENDPOINT_URL` names another server than AWS.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from serving.manifest import MANIFEST, BundleRefused, BundleUnreachable, Manifest, read_manifest, verified_files

CONNECT, READ, TRANSFER = timedelta(seconds=3), timedelta(seconds=10), timedelta(minutes=5)
"""How long to wait for a connection, for the next bytes of an answer, and for a whole file."""
RETRIES = 3
CODE = re.compile(r"<Code>(\w+)</Code>")
ADDRESS = re.compile(r"https?://[^/\s]+")
CAUSE = re.compile(r'(?:message|error): "([^"]+)"|(InvalidCertificate)\(')
INSTANCE = ("/latest/api/token", "/latest/meta-data")
"""Where an instance's role is asked for, after every other source had no credentials."""


def pull(address: str, bundles: Path, digest: str | None = None) -> tuple[Path, Manifest]:
    """Have a bundle on this machine.

    Args:
        address: `s3://BUCKET/PREFIX`; the manifest lies at `PREFIX/manifest.json`.
        bundles: The folder to put it into, by its digest.
        digest: The bundle digest it must have. If that one is here already, whole, the store is not asked.

    Returns:
        Its folder and manifest.

    Raises:
        BundleUnreachable: There is no such bundle, no credentials that may read it, or no answer.
        BundleRefused: A file does not match its sha256, or the manifest not the digest.
        OSError: It can not be written.
    """
    if digest is not None and (kept := _whole(bundles / digest, digest)):
        return bundles / digest, kept
    get = _reader(address)
    raw = get(MANIFEST)
    manifest = Manifest.parse(raw, address, digest)
    content = {MANIFEST: raw}
    for name in manifest.files:
        content[name] = get(name)
        manifest.check(name, content[name], address)
    return _install(content, bundles / manifest.digest), manifest


def _whole(folder: Path, digest: str) -> Manifest | None:
    try:
        manifest = read_manifest(folder, digest)
        verified_files(folder, manifest)
    except BundleRefused:
        return None
    return manifest


def _install(content: Mapping[str, bytes], target: Path) -> Path:
    """Write the files beside `target` and move them there together."""
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    try:
        for name, data in content.items():
            (incoming / name).write_bytes(data)
        shutil.rmtree(target, ignore_errors=True)
        incoming.rename(target)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return target


def _reader(address: str) -> Callable[[str], bytes]:
    """What reads one file of the bundle by its name."""
    bucket, _, prefix = address.partition("://")[2].strip("/").partition("/")
    store = S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"allow_http": True, "connect_timeout": CONNECT, "read_timeout": READ, "timeout": TRANSFER},
        retry_config={"max_retries": RETRIES, "retry_timeout": READ},
    )

    def get(name: str) -> bytes:
        try:
            return bytes(store.get(name).bytes())
        except (BaseError, FileNotFoundError) as error:
            raise BundleUnreachable(f"bundle {address}: {_reason(error, name)}") from None

    return get


def _reason(error: Exception, name: str) -> str:
    """What is wrong, in one line: the library's message is a page with the whole answer in it."""
    text = str(error)
    code = f" ({found[1]})" if (found := CODE.search(text)) else ""
    if isinstance(error, FileNotFoundError):
        return f"there is no {name}{code}"
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)):
        return f"{name} may not be read{code}"
    first = text.partition("\n")[0]
    if any(part in first for part in INSTANCE):
        return (
            "no credentials: neither keys, web identity nor a container's role are set, nor does an instance give any"
        )
    server = found[0] if (found := ADDRESS.search(first)) else "the token service"
    if code:
        return f"{server} refuses{code}"
    if cause := CAUSE.search(text):
        return f"{server} can not be reached: {cause[1] or cause[2]}"
    return first
