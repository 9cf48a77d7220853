"""Try every part of a stack at the same time and say what to do about those that do not work."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from project.errors import ProjectError
from stacks import cluster_probes, probes
from stacks.files import ComponentSpec, Stack, secret_references
from stacks.probes import Failure, Probe
from stacks.schema import RemoteServer
from stacks.selection import connected
from stacks.server import TIMEOUT, api_key, has_login, local_url, login_command, user_directory
from stacks.validation import validate_stack

_DEADLINE = 4.9  # seconds for all parts together; a name server may take longer than a socket's own timeout
Secrets = Mapping[tuple[str, str], str]
"""Values by (secret, key)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of trying one part: `fix` is empty when it works."""

    part: str
    ok: bool
    detail: str
    fix: str = ""

    def line(self) -> str:
        """The finding as one or two lines."""
        text = f"{'ok  ' if self.ok else 'FAIL'} {self.part:<20} {self.detail}"
        return text if self.ok else f"{text}\n     {'':<20} fix: {self.fix}"

    def as_dict(self) -> dict[str, Any]:
        """The finding as `--json` prints it."""
        return asdict(self)


def examine(stack: Stack) -> list[Finding]:
    """Try each part in a thread of its own.

    Args:
        stack: The resolved stack.

    Returns:
        One finding per part, in the order server, credentials, components.

    Raises:
        ConfigError: The files do not fit ZenML's flavors; nothing was tried.
    """
    validate_stack(stack)
    return _run(_probes(stack, _secrets(stack)))


def _secrets(stack: Stack) -> Secrets:
    """Values from the environment; the server is asked, which takes seconds, only for those that are not there."""
    declared = {(s, key): variable for s, keys in stack.resources.secrets.items() for key, variable in keys.items()}
    known = {at: os.environ[variable] for at, variable in declared.items() if os.environ.get(variable)}
    if known.keys() == declared.keys():
        return known
    try:
        with connected(stack) as client:
            for secret, key in declared.keys() - known.keys():
                with suppress(KeyError):
                    known[secret, key] = client.get_secret_by_name_and_private_status(secret).secret_values[key]
    except ProjectError:  # the probes of server and credentials tell why
        pass
    return known


def _run(tasks: Mapping[str, Probe]) -> list[Finding]:
    found: dict[str, Finding] = {}

    def work(part: str, probe: Probe) -> None:
        try:
            found[part] = Finding(part, True, probe())
        except Failure as failure:
            found[part] = Finding(part, False, failure.cause, failure.fix)
        except Exception as error:  # noqa: BLE001  one part's failure must not hide the others
            found[part] = Finding(
                part, False, f"{type(error).__name__}: {error}", f"try {part} by hand: its check failed"
            )

    # Daemons, not a pool: an executor waits at exit for a thread that hangs in a name look-up.
    threads = [threading.Thread(target=work, args=task, daemon=True) for task in tasks.items()]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _DEADLINE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = "look at the way there: the network, a VPN, a firewall that answers nothing"
    return [found.get(part, Finding(part, False, f"no answer within {_DEADLINE} s", late)) for part in tasks]


def _probes(stack: Stack, secrets: Secrets) -> dict[str, Probe]:
    server = stack.resources.server
    if isinstance(server, RemoteServer):
        tasks = {"server": _server(server), "credentials": lambda: _credentials(server)}
    else:
        tasks = {"server": lambda: probes.sqlite_file(Path(local_url().removeprefix("sqlite:///")))}
    kinds: dict[str, Callable[[ComponentSpec, Stack, Secrets], Probe | None]] = {
        "artifact_store": _artifact_store,
        "experiment_tracker": _tracker,
        "container_registry": _registry,
        "orchestrator": _orchestrator,
        "model_deployer": _deployer,
    }
    for component in stack.components:
        lacking = [f"{s}.{k}" for _, s, k in secret_references(component.configuration) if (s, k) not in secrets]
        probe = _lacks(stack, lacking) if lacking else None
        if component.type in kinds:
            probe = probe or kinds[component.type](component, stack, secrets)
        if probe is not None:
            tasks[component.type] = probe
    return {**tasks, **cluster_probes.parts_of(stack)}


def _lacks(stack: Stack, references: list[str]) -> Probe:
    variables = [stack.resources.secrets[secret][key] for secret, _, key in (r.partition(".") for r in references)]

    def fail() -> str:
        export = f"export {' '.join(f'{variable}=…' for variable in variables)}"
        raise Failure(f"the secret {', '.join(references)} is known neither here nor in the server", export)

    return fail


def _server(server: RemoteServer) -> Probe:
    url = server.url.rstrip("/")
    return lambda: probes.answers(f"{url}/health", f"start it, or correct its URL ({url})", range(200, 300))


def _credentials(server: RemoteServer) -> str:
    url, key = server.url.rstrip("/"), api_key(server)
    fix = f"{login_command(server)}, or export {server.api_key_variable}=…"
    if key is None:
        if not has_login(server):
            raise Failure(f"no login for {url}", fix)
        return f"logged in, by {user_directory() / 'credentials.yaml'}"
    try:
        status = probes.http_status(f"{url}/api/v1/login", data={"grant_type": "zenml-api-key", "password": key})
    except (OSError, ValueError):
        raise Failure(f"{server.api_key_variable} can not be tried, the server does not answer", "see server") from None
    if status != 200:
        raise Failure(f"{url} refuses the key in {server.api_key_variable} ({status})", fix)
    return f"{url} accepts the key in {server.api_key_variable}"


def _artifact_store(component: ComponentSpec, _stack: Stack, secrets: Secrets) -> Probe | None:
    configuration = _plain(component, secrets)
    path = str(configuration.get("path") or user_directory() / "local_stores")
    if component.flavor != "s3":
        return lambda: probes.writable(Path(path))
    # Here and not in the thread: an import is not part of what is waited for.
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    client = boto3.client(
        "s3",
        aws_access_key_id=configuration.get("key"),
        aws_secret_access_key=configuration.get("secret"),
        config=config.Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 1}),
        **configuration.get("client_kwargs", {}),
    )
    return lambda: probes.s3(path, client)


def _tracker(component: ComponentSpec, _stack: Stack, secrets: Secrets) -> Probe | None:
    configuration = _plain(component, secrets)
    uri = str(configuration.get("tracking_uri", ""))
    if uri.startswith("sqlite:///"):
        return lambda: probes.sqlite_file(Path(uri.removeprefix("sqlite:///")))
    user, password = configuration.get("tracking_username", ""), configuration.get("tracking_password", "")
    return lambda: probes.mlflow(uri, user, password)


def _registry(component: ComponentSpec, _stack: Stack, _secrets: Secrets) -> Probe | None:
    host = component.configuration["uri"].partition("/")[0]
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    return lambda: cluster_probes.takes_pushes(scheme, component.configuration["uri"], component.line("uri"))


def _orchestrator(component: ComponentSpec, _stack: Stack, _secrets: Secrets) -> Probe | None:
    if component.flavor != "kubernetes":
        return None
    importlib.import_module("kubernetes")  # before the clock starts

    context = component.configuration.get("kubernetes_context")
    namespace = component.configuration.get("kubernetes_namespace", "zenml")
    return lambda: cluster_probes.kubernetes(context, namespace)


def _deployer(component: ComponentSpec, _stack: Stack, _secrets: Secrets) -> Probe | None:
    given = component.configuration
    if component.flavor in cluster_probes.WRITTEN:
        importlib.import_module("kubernetes")  # before the clock starts
        context, namespace = given.get("kubernetes_context"), given.get("namespace", "tabular")
        address = (given.get("gateway", "tabular"), given["url"], component.line("url"))
        return lambda: cluster_probes.gateway(context, namespace, *address)
    host, port = given.get("host", "127.0.0.1"), given.get("port")
    return (lambda: _port(host, port)) if port else None


def _port(host: str, port: int) -> str:
    url = f"http://{host}:{port}/health/live"
    try:
        status = probes.http_status(url)
    except ConnectionRefusedError:
        return f"{host}:{port} is free"
    except OSError as error:
        if isinstance(getattr(error, "reason", None), ConnectionRefusedError):
            return f"{host}:{port} is free"
        raise Failure(f"{host}:{port} is taken by something that is no endpoint", f"ss -ltnp sport = :{port}") from None
    if status != 200:
        raise Failure(f"{url} answers {status}: another program has the port", f"ss -ltnp sport = :{port}")
    return f"{host}:{port} serves"


def _plain(component: ComponentSpec, secrets: Secrets) -> dict[str, Any]:
    values = {at: secrets[secret, key] for at, secret, key in secret_references(component.configuration)}
    return {**component.configuration, **values}
