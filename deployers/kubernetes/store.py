"""Bundles in S3, where pods find them: each below its digest, uploaded whole or not at all, read back to be sure."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from project.errors import Refused, Unreachable, reason
from tabular.bundle import CONTENT, MANIFEST, PROVENANCE, Bundle, read_bundle, to_json

TRIES, CONNECT, READ = 5, 3, 20
GONE = ("NoSuchKey", "404")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Store:
    """A prefix of a bucket.

    Args:
        address: `s3://BUCKET/PREFIX`.
        endpoint: The S3 server; None for AWS.
        region: Its region.
        credentials: `aws_access_key_id` and `aws_secret_access_key`; none: the environment's, or a role.
    """

    address: str
    endpoint: str | None = None
    region: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)

    def put(self, bundle: Bundle) -> None:
        """Have a bundle in the store; what is there and whole is left, and the manifest comes last.

        Raises:
            Unreachable: The store does not answer, also not after a few tries, or does not let us.
            Refused: What it gives back is not what it was given.
        """
        files = {**bundle.content, PROVENANCE: to_json(dict(bundle.provenance)), MANIFEST: bundle.manifest}
        client = self.client()
        changed = [
            name for name in files if name != PROVENANCE and self._get(client, bundle.digest, name) != files[name]
        ]
        if not changed:
            return
        for name in [*(name for name in changed if name != MANIFEST), PROVENANCE, MANIFEST]:
            self._call(partial(client.put_object, **self.place(bundle.digest, name), Body=files[name]))
        for name in changed:
            if self._get(client, bundle.digest, name) != files[name]:
                raise Refused(
                    f"{self.address}/{bundle.digest}/{name} is not what was uploaded", "look at the S3 server"
                )

    def get(self, digest: str) -> Bundle:
        """A bundle of the store, every byte verified.

        Raises:
            Unreachable: The store does not answer.
            Refused: It is not there, or damaged.
        """
        client = self.client()
        with tempfile.TemporaryDirectory() as folder:
            for name in (*CONTENT, PROVENANCE, MANIFEST):
                data = self._get(client, digest, name)
                if data is not None:
                    (Path(folder) / name).write_bytes(data)
            try:
                bundle = read_bundle(Path(folder))
            except Refused as error:
                cause = error.cause.replace(folder, f"{self.address}/{digest}")
                raise Refused(cause, "python run.py deploy") from None
        if bundle.digest != digest:
            raise Refused(f"{self.address}/{digest} holds the bundle {bundle.digest[:12]}", "python run.py deploy")
        return bundle

    def _get(self, client: Any, digest: str, name: str) -> bytes | None:
        def read() -> bytes:
            data: bytes = client.get_object(**self.place(digest, name))["Body"].read()
            return data

        return self._call(read)

    def place(self, digest: str, name: str) -> dict[str, str]:
        """Bucket and key of one file of a bundle."""
        bucket, _, prefix = self.address.removeprefix("s3://").strip("/").partition("/")
        return {"Bucket": bucket, "Key": "/".join(filter(None, (prefix, digest, name)))}

    def _call(self, call: Callable[[], T]) -> T | None:
        """The call's answer; None where there is no such object."""
        try:
            return call()
        except Exception as error:  # noqa: BLE001  boto3 makes its errors at run time
            response = getattr(error, "response", {})
            code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
            if code in GONE:
                return None
            cause = f"bundles can not be kept at {self.address}: {reason(error)}"
            raise Unreachable(cause, "the same command again, once it answers") from None

    def client(self) -> Any:
        """A client of the server."""
        boto3, botocore = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        retries = {"total_max_attempts": TRIES, "mode": "standard"}  # `max_attempts` would be the tries after the first
        config = botocore.Config(
            retries=retries,
            connect_timeout=CONNECT,
            read_timeout=READ,
            s3={"addressing_style": "path" if self.endpoint else "auto"},
        )
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region or ("us-east-1" if self.endpoint else None),
            config=config,
            **self.credentials,
        )
