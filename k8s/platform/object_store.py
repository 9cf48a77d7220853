"""The S3 server in the cluster: a bucket, and an account that owns it and reaches no other."""

from __future__ import annotations

import importlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from k8s.platform import credentials
from k8s.platform.settings import Settings
from project.errors import Unreachable, reason

TIMEOUT = 20.0
CONFLICT = 409


def provide_bucket(settings: Settings) -> str:
    """Have the bucket and its owner, whose key is the stack's; the server's own key stays with the server.

    Raises:
        Unreachable: The S3 server does not answer or refuses.
    """
    server, key = credentials.known("s3"), credentials.known(credentials.S3_KEY)
    administrator = _Administrator(settings, server["ROOT_ACCESS_KEY"], server["ROOT_SECRET_KEY"])
    access, secret = key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]
    try:
        there = administrator.has_bucket(settings.bucket)
        if administrator.call("create-user", _xml("Account", Access=access, Secret=secret, Role="user")) == CONFLICT:
            administrator.call("update-user", _xml("MutableProps", Secret=secret), access=access)
        if not there:
            administrator.client().create_bucket(Bucket=settings.bucket)
        administrator.call("change-bucket-owner", bucket=settings.bucket, owner=access)
    except Unreachable:
        raise
    except Exception as error:  # boto3 makes its errors at run time
        raise Unreachable(f"{settings.urls['s3']}: {reason(error)}", "make platform-up again") from error
    return f"{settings.bucket} {'is there' if there else 'made'}"


@dataclass(frozen=True, slots=True)
class _Administrator:
    """The server's own key, and what it alone may do."""

    settings: Settings
    access: str
    secret: str

    def client(self) -> Any:
        """A client of S3 proper."""
        boto3: Any = importlib.import_module("boto3")
        return boto3.client(
            "s3",
            endpoint_url=self.settings.urls["s3"],
            region_name=self.settings.region,
            aws_access_key_id=self.access,
            aws_secret_access_key=self.secret,
        )

    def has_bucket(self, name: str) -> bool:
        """Whether there is a bucket of this name."""
        return name in {bucket["Name"] for bucket in self.client().list_buckets()["Buckets"]}

    def call(self, action: str, body: bytes = b"", **query: str) -> int:
        """One action of the server's own interface, signed as a request to S3 is; its status.

        Raises:
            Unreachable: The server does not answer, or refuses with anything but a conflict.
        """
        auth: Any = importlib.import_module("botocore.auth")
        requests: Any = importlib.import_module("botocore.awsrequest")
        keys: Any = importlib.import_module("botocore.credentials")
        url = f"{self.settings.urls['s3']}/{action}" + (f"?{urlencode(query)}" if query else "")
        signed = requests.AWSRequest(method="PATCH", url=url, data=body)
        auth.S3SigV4Auth(keys.Credentials(self.access, self.secret), "s3", self.settings.region).add_auth(signed)
        headers: Mapping[str, str] = dict(signed.headers.items())
        request = urllib.request.Request(url, body, headers, method="PATCH")  # noqa: S310  our own http address
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  our own http address
                return int(answer.status)
        except urllib.error.HTTPError as error:
            if error.code == CONFLICT:
                return CONFLICT
            said = error.read().decode(errors="replace")[:300]
            raise Unreachable(f"{url} answers {error.code}: {said}", "make platform-up again") from error
        except OSError as error:
            raise Unreachable(f"{url} does not answer: {error}", "export PLATFORM_HOST=… of a node") from error


def _xml(name: str, **values: str) -> bytes:
    fields = "".join(f"<{key}>{escape(value, quote=False)}</{key}>" for key, value in values.items())
    return f"<{name}>{fields}</{name}>".encode()
