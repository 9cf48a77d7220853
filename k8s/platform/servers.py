"""What ZenML's server needs once it runs: an account for whoever is no person."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from k8s.platform import credentials
from k8s.platform.settings import Settings
from project.errors import ProjectError, Unreachable

ACCOUNT = "tabular"
"""ZenML's service account for steps, CI and this machine."""
CLIENT = "zenml-client"
"""The Secret that keeps its key: ZenML tells a key once."""
TIMEOUT = 20.0


def provide_account(settings: Settings) -> str:
    """Have a key of ZenML's service account that the server accepts.

    Raises:
        Unreachable: The server does not answer.
        ProjectError: It refuses its own administrator.
    """
    url = settings.urls["zenml"]
    stored = credentials.values(CLIENT)
    if stored and _login(url, {"grant_type": "zenml-api-key", "password": stored["key"]}):
        return f"{ACCOUNT} is there"
    password = credentials.known("zenml")["ZENML_DEFAULT_USER_PASSWORD"]
    token = _login(url, {"username": "admin", "password": password})
    if not token:
        cause = f"{url} refuses the password in the Secret zenml: its database is older than the Secret"
        raise ProjectError(cause, "make platform-down platform-up, which loses what it stored")
    accounts = _call(url, f"service_accounts?name={ACCOUNT}", token)["items"]
    about = {"name": ACCOUNT, "description": "Steps, CI and command lines.", "active": True}
    account = accounts[0] if accounts else _call(url, "service_accounts", token, about)
    taken = _call(url, f"service_accounts/{account['id']}/api_keys", token)["total"]
    made = _call(url, f"service_accounts/{account['id']}/api_keys", token, {"name": f"platform-{taken + 1}"})
    credentials.store(CLIENT, {"key": made["body"]["key"]})
    return f"{ACCOUNT} has a key"


def _login(url: str, form: dict[str, str]) -> str:
    """A token, or nothing where the server says no."""
    try:
        answer = _open(urllib.request.Request(f"{url}/api/v1/login", urllib.parse.urlencode(form).encode()))  # noqa: S310  our own http address
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return ""
        raise ProjectError(
            f"{url} answers {error.code} to a login", "kubectl -n tabular-platform logs deployment/zenml"
        ) from error
    return str(answer["access_token"])


def _call(url: str, path: str, token: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    try:
        return _open(urllib.request.Request(f"{url}/api/v1/{path}", data, headers))  # noqa: S310  our own http address
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")[:300]
        raise ProjectError(f"{url}/api/v1/{path} answers {error.code}: {said}", "make platform-up again") from error


def _open(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  our own http address
            return json.loads(answer.read())
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise Unreachable(f"{request.full_url} does not answer: {error}", "export PLATFORM_HOST=… of a node") from error
