"""Try one part of a stack, quickly and without leaving anything behind."""

from __future__ import annotations

import base64
import importlib
import sqlite3
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from project.errors import reason
from stacks.server import TIMEOUT


class Failure(Exception):
    """A part that does not work."""

    def __init__(self, cause: str, fix: str) -> None:
        """Keep what was tried and came back (`cause`), and the command or edit that helps (`fix`)."""
        super().__init__(cause, fix)
        self.cause = cause
        self.fix = fix


Probe = Callable[[], str]
_KEY_REFUSED = ("AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch")


def http_status(url: str, user: str = "", password: str = "", data: Mapping[str, str] | None = None) -> int:
    """The status a URL answers with; a GET, or a POST of form `data`.

    Raises:
        OSError: Nothing answers within the timeout.
        ValueError: Not an http(s) address.
    """
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is not an http address")
    body = urllib.parse.urlencode(data).encode() if data else None
    request = urllib.request.Request(url, data=body)  # noqa: S310  http or https, checked above
    if user:
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  the same
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def answers(url: str, fix: str, accepted: range = range(200, 500)) -> str:
    """Ask a URL; anything but a fault of the server's own counts as an answer.

    Raises:
        Failure: No answer, or a status outside `accepted`.
    """
    try:
        status = http_status(url)
    except (OSError, ValueError) as error:
        raise Failure(f"{url} does not answer: {reason(error)}", fix) from None
    if status not in accepted:
        raise Failure(f"{url} answers {status}", fix)
    return f"{url} answers {status}"


def mlflow(uri: str, user: str, password: str) -> str:
    """Reach an MLflow server and see whether it lets us in.

    Raises:
        Failure: It does not answer, refuses the login or the host name.
    """
    url = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1"
    try:
        status = http_status(url, user, password)
    except (OSError, ValueError) as error:
        raise Failure(f"{uri} does not answer: {reason(error)}", "start the MLflow server or correct its URL") from None
    if status == 401:
        raise Failure(f"{uri} refuses the user {user!r}", "correct the secret, then python run.py stack apply")
    if status == 403:
        raise Failure(f"{uri} answers 403", "start MLflow with --allowed-hosts naming this host and port")
    if status != 200:
        raise Failure(f"{uri} answers {status}", "look into the MLflow server's log")
    return f"{uri} lets {user or 'us'} in"


def sqlite_file(path: Path) -> str:
    """Open a SQLite store, or see whether it could be created.

    Raises:
        Failure: It is no database, or its folder can not be written.
    """
    if not path.exists():
        return f"{path} will be created; {writable(_existing(path.parent))}"
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=TIMEOUT) as connection:
            tables = connection.execute("select count(*) from sqlite_master where type = 'table'").fetchone()[0]
    except sqlite3.Error as error:
        raise Failure(
            f"{path} can not be read: {error}", f"move {path} away; a new one is made at the next run"
        ) from None
    return f"{path} has {tables} tables"


def writable(folder: Path) -> str:
    """Write, read and delete a file in a folder.

    Raises:
        Failure: One of the three fails.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=_existing(folder), prefix=".doctor-") as file:
            file.write(b"ok")
            file.flush()
            Path(file.name).read_bytes()
    except OSError as error:
        raise Failure(
            f"{folder} can not be written: {error.strerror}", f"chmod u+w {folder}, or free some space"
        ) from None
    return f"{folder} can be written"


def s3(path: str, client: Any) -> str:
    """Write, read and delete an object below an `s3://bucket/prefix`.

    Raises:
        Failure: One of the three fails.
    """
    bucket, _, prefix = path.removeprefix("s3://").partition("/")
    key = f"{prefix.rstrip('/')}/.doctor-{uuid.uuid4().hex}".lstrip("/")
    try:
        client.put_object(Bucket=bucket, Key=key, Body=b"ok")
        client.get_object(Bucket=bucket, Key=key)["Body"].read()
        client.delete_object(Bucket=bucket, Key=key)
    except Exception as error:  # noqa: BLE001  boto3 makes its errors at run time
        kinds: Any = importlib.import_module("botocore.exceptions")
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if isinstance(error, kinds.ConnectionError | kinds.HTTPClientError):
            fix = f"start what shall answer at {client.meta.endpoint_url}, or correct that address"
        elif code == "NoSuchBucket":
            fix = f"make the bucket {bucket}, or name another"
        elif code in _KEY_REFUSED:
            fix = "correct the key or what it may do, then python run.py stack apply"
        else:
            fix = f"correct the login, or the name of the bucket {bucket}"
        raise Failure(f"{path} can not be written: {reason(error)}", fix) from None
    return f"{path} can be written and read"


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())
