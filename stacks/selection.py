"""Choose the stack of this process: the server it lives in, its registration, ZenML's active stack."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from project.errors import ConfigError, Unreachable, reason
from project.paths import ROOT
from project.telemetry import opt_out
from stacks import registry
from stacks.files import Stack, names, read_resources, read_stack
from stacks.schema import LocalServer, RemoteServer
from stacks.server import (
    is_local,
    login_command,
    mismatch,
    point_process_at,
    refuse_unanswered,
    user_directory,
    user_url,
    writing,
)
from stacks.startup import lighten_zenml, wait_less
from stacks.substitution import resolve
from stacks.validation import validate_stack

if TYPE_CHECKING:
    from zenml.client import Client

DEFAULT = "local"
ServerChoice = Literal["declared", "current"]
_NO_STORE = ("ZENML_ACTIVE_STACK_ID", "ZENML_ANALYTICS_OPT_IN")
_last: dict[str, object] = {}  # what the open store was opened with: opening one takes half a second


def use_stack(name: str | None, server: ServerChoice = "declared") -> str:
    """Register a stack if need be and make it the active one of this process and its children, of nothing else.

    Args:
        name: A stack of `stacks/`. Without one the user's logged-in server and active stack count; where the user
            chose none (ZenML's `default`), it is `local`.
        server: `declared`: the server the stack's sidecar names. `current`: whichever the user is logged into;
            registering needs no cluster, so tests and previews can do with a local store.

    Returns:
        The name of the stack.

    Raises:
        ConfigError: A stack file that can not be used as written.
        Refused: The registered stack differs in a way that is not safe to change.
        Unreachable: The server does not answer, knows no login of ours, or is not the one of the active stack.
    """
    opt_out()
    if name is None:
        return _use_active()
    stack = read_stack(name)
    with connected(stack, server) as client:
        registered = registry.unchanged(stack, client) or registry.apply(stack, client)[1]
    os.environ["ZENML_ACTIVE_STACK_ID"] = str(registered.id)
    return name


def runs_here(name: str) -> bool:
    """Whether the steps of a stack run in the process that starts them."""
    if name not in names():
        return False
    orchestrator = read_stack(name).component("orchestrator")
    return orchestrator is not None and orchestrator.flavor == "local"


@contextmanager
def connected(stack: Stack, server: ServerChoice = "declared") -> Iterator[Client]:
    """A ZenML client of the stack's server; two processes of one user take turns.

    Raises:
        ConfigError: The files do not fit, where a server can not be reached that would have been told what they say.
        Unreachable: As `use_stack`.
    """
    opt_out()
    if server == "declared":
        try:
            point_process_at(stack.name, stack.resources.server)
        except Unreachable:
            validate_stack(stack)  # what is wrong here and now is worth more than what is wrong over there
            raise
    with _turn():
        yield _client(stack.name, stack.resources.server)


def _use_active() -> str:
    url = user_url()
    if not url.startswith("sqlite:") and not is_local(url):
        whose = "that ZENML_STORE_URL names" if "ZENML_STORE_URL" in os.environ else "you are logged into"
        refuse_unanswered(url, whose, f"start it, or python run.py --stack {DEFAULT}, which needs none")
    with _turn():
        try:
            active = _client("default", None).active_stack_model
        except KeyError as error:  # ZenML itself falls back where the stack that `zenml stack set` chose is gone
            chosen = os.environ["ZENML_ACTIVE_STACK_ID"]
            raise ConfigError(
                f"ZENML_ACTIVE_STACK_ID names {chosen!r}, no stack of this ZenML server", "unset ZENML_ACTIVE_STACK_ID"
            ) from error
    if active.name not in names():
        if active.name == "default":
            return use_stack(DEFAULT)
        os.environ["ZENML_ACTIVE_STACK_ID"] = str(active.id)
        return active.name
    server = _server(active.name)
    if why := mismatch(server, url):
        raise Unreachable(
            f"the active stack {active.name!r} is registered in the wrong server: {why}", login_command(server)
        )
    if not isinstance(server, RemoteServer):
        return use_stack(active.name)
    os.environ["ZENML_ACTIVE_STACK_ID"] = str(active.id)
    return active.name


def _server(name: str) -> LocalServer | RemoteServer:
    server = read_resources(name).server
    if isinstance(server, RemoteServer):
        url, missing = resolve(server.url, os.environ, lambda _: name)
        return server if missing else server.model_copy(update={"url": url})
    return server


def _client(name: str, server: LocalServer | RemoteServer | None) -> Client:
    """A client of the store that the environment names, also when this process used another before.

    Raises:
        Unreachable: The server does not let us in.
    """
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration
    from zenml.enums import StoreType
    from zenml.exceptions import AuthorizationException
    from zenml.utils import source_utils

    source_utils.set_custom_source_root(str(ROOT))
    lighten_zenml()
    settings = {key: value for key, value in os.environ.items() if key.startswith("ZENML_") and key not in _NO_STORE}
    if _last.get("settings") == settings and GlobalConfiguration.get_instance() is _last["configuration"]:
        return Client()
    GlobalConfiguration._reset_instance()  # noqa: SLF001  ZenML has no public way to open another store
    Client._reset_instance()  # noqa: SLF001  the same
    if GlobalConfiguration().store_configuration.type is StoreType.SQL:
        wait_less()
    try:
        client = Client()
        _ = client.zen_store
    except (AuthorizationException, RuntimeError, OSError) as error:
        command = login_command(server) if server else "zenml login"
        raise Unreachable(f"the ZenML server of stack {name!r} refused: {reason(error)}", command) from error
    _last.update(settings=settings, configuration=GlobalConfiguration.get_instance())
    return client


@contextmanager
def _turn() -> Iterator[None]:
    """One process at a time creates the store and registers: SQLite's migrations stand no company.

    ZenML's remarks meanwhile (that a fresh store gets a default stack, that registering a remote component needs a
    remote server) say nothing that `use_stack` does not settle or `doctor` does not tell better.
    """
    directory = user_directory()
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / ".stack-lock", os.O_CREAT | os.O_RDWR, 0o600)
    disabled = logging.root.manager.disable
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        logging.disable(logging.WARNING)
        yield
    finally:
        logging.disable(disabled)
        os.close(lock)
