"""Which ZenML server this process talks to, decided before ZenML is imported.

ZenML writes what environment variables say back into the user's configuration: `ZENML_STORE_URL` becomes the server
the user is logged into, `ZENML_ACTIVE_STACK_ID` the user's active stack (0.98, `GlobalConfiguration._sanitize_config`).
So a process that chooses a stack for itself gets a configuration folder of its own, next to nothing but its login.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import yaml

from project.errors import ProjectError, Unreachable
from stacks.schema import LocalServer, RemoteServer

TIMEOUT = 4.0  # seconds until a part counts as unreachable: a busy server takes two to check a password
_OWN = ".stack-"
_PREFIX = "ZENML_STORE_"


def user_directory() -> Path:
    """The user's ZenML configuration folder, also when this process already has its own."""
    directory = Path(os.environ.get("ZENML_CONFIG_PATH") or click.get_app_dir("zenml")).resolve()
    return directory.parent if directory.name.startswith(_OWN) else directory


def local_url() -> str:
    """The address of the SQLite store in the user's configuration."""
    return f"sqlite:///{_local_stores() / 'default_zen_store' / 'zenml.db'}"


def user_store() -> dict[str, Any]:
    """The store block of the user's configuration; empty before the first use of ZenML."""
    return _read(user_directory() / "config.yaml").get("store") or {}


def user_url() -> str:
    """The server the user is logged into, or the one that `ZENML_STORE_URL` names."""
    return str(os.environ.get(f"{_PREFIX}URL") or user_store().get("url") or local_url()).rstrip("/")


def is_local(url: str) -> bool:
    """Whether an address is the user's SQLite store, bare or behind the server of `zenml login --local`."""
    parts = urlsplit(url)
    return url == local_url() or (parts.hostname in ("127.0.0.1", "localhost") and parts.port == 8237)


def mismatch(server: LocalServer | RemoteServer, url: str) -> str:
    """Why a stack of `server` can not be used at `url`, or nothing if it can."""
    if isinstance(server, LocalServer):
        return "" if is_local(url) else f"it belongs to the local store, this is {url}"
    if url.startswith("sqlite:"):
        return f"it belongs to the ZenML server {server.url}, this is the local store"
    known = "${" not in server.url  # a variable of a teammate that is not set here
    return f"it belongs to {server.url}, this is {url}" if known and url != server.url.rstrip("/") else ""


def login_command(server: LocalServer | RemoteServer) -> str:
    """What to type to be logged into a server."""
    return f"zenml login {server.url.rstrip('/')}" if isinstance(server, RemoteServer) else "zenml logout"


def point_process_at(name: str, server: LocalServer | RemoteServer) -> None:
    """Make ZenML use `server` in this process and its children; the user's configuration stays untouched.

    Args:
        name: The stack this is for; its processes share a configuration folder.
        server: The stack's server, its URL resolved.

    Raises:
        Unreachable: The server does not answer, or there are no credentials for it.
        ProjectError: The configuration folder can not be written.
    """
    store = _remote_store(name, server) if isinstance(server, RemoteServer) else {"TYPE": "sql", "URL": local_url()}
    stores, directory = (
        _local_stores(),
        _own_directory(name, by_login=store["TYPE"] == "rest" and "API_KEY" not in store),
    )
    for variable in [variable for variable in os.environ if variable.startswith(_PREFIX)]:
        del os.environ[variable]
    os.environ.update({f"{_PREFIX}{key}": value for key, value in store.items()})
    os.environ["ZENML_USER_ID"] = _user_id()
    os.environ["ZENML_LOCAL_STORES_PATH"] = str(stores)
    os.environ["ZENML_CONFIG_PATH"] = str(directory)
    os.environ["ZENML_REPOSITORY_PATH"] = str(directory)  # a `.zen` folder would override the stack and be rewritten
    os.environ.pop("ZENML_ACTIVE_STACK_ID", None)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say what to do when a part of the ZenML configuration can not be written.

    Raises:
        ProjectError: It can not.
    """
    try:
        yield
    except OSError as error:
        raise ProjectError(
            f"the ZenML configuration {path} can not be written: {error.strerror}",
            "make it writable, or export ZENML_CONFIG_PATH=… to another folder",
        ) from None


def api_key(server: RemoteServer) -> str | None:
    """The service account's key from the environment, if one is set."""
    return os.environ.get(server.api_key_variable)


def has_login(server: RemoteServer) -> bool:
    """Whether the user once logged into this server with `zenml login`."""
    return server.url.rstrip("/") in _read(user_directory() / "credentials.yaml")


def refuse_unanswered(url: str, whose: str, next_step: str) -> None:
    """Try the port of a URL.

    Args:
        url: Of a ZenML server.
        whose: What the server is to the user, to follow its URL in a sentence.
        next_step: What to type where nothing answers.

    Raises:
        Unreachable: Nothing answers within `TIMEOUT`.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise Unreachable(f"the ZenML server {url} {whose} does not answer ({error})", next_step) from None


def _remote_store(name: str, server: RemoteServer) -> dict[str, str]:
    url, key = server.url.rstrip("/"), api_key(server)
    if key is None and not has_login(server):
        raise Unreachable(
            f"stack {name!r} lives in the ZenML server {url}, and there is no login for it",
            f"{login_command(server)}, or export {server.api_key_variable}=… of a service account",
        )
    refuse_unanswered(url, f"of stack {name!r}", f"python run.py stack doctor {name}")
    store = user_store()
    trust = store.get("verify_ssl") if str(store.get("url", "")).rstrip("/") == url else None
    optional = {"API_KEY": key, "VERIFY_SSL": None if trust is None else str(trust)}
    return {"TYPE": "rest", "URL": url, **{key: value for key, value in optional.items() if value is not None}}


def _own_directory(name: str, by_login: bool) -> Path:
    """The folder of this stack's processes; with the user's `zenml login` in reach only where that is what counts."""
    directory = user_directory() / f"{_OWN}{name}{'-login' if by_login else ''}"
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        if by_login:
            with suppress(FileExistsError):
                (directory / "credentials.yaml").symlink_to(Path("..") / "credentials.yaml")
    return directory


def _user_id() -> str:
    """The id of the user's ZenML client: a store counts as local only for the client that created it."""
    file = user_directory() / "config.yaml"
    if found := _read(file).get("user_id"):
        return str(found)
    with writing(file):
        made = str(uuid.uuid4())
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".config-{made}")
        draft.write_text(f"user_id: {made}\n", encoding="utf-8")
        try:
            with suppress(FileExistsError):
                file.hardlink_to(draft)  # whole or not at all: another process may be reading it
        finally:
            draft.unlink()
    return str(_read(file).get("user_id") or made)


def _local_stores() -> Path:
    return Path(os.environ.get("ZENML_LOCAL_STORES_PATH") or user_directory() / "local_stores")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}
