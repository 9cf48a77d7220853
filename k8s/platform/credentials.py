"""Passwords and keys: made here once, kept by the cluster, never written to a file."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from k8s.platform.programs import apply, found
from k8s.platform.settings import MODELS, SERVERS
from project.errors import ConfigError, ProjectError
from project.paths import ROOT

Values = dict[str, str]
S3_KEY = "tabular-s3"
"""The Secret, in both namespaces, with the key that owns the bucket."""


def values(name: str, namespace: str = SERVERS) -> Values | None:
    """What a Secret holds; nothing if there is none."""
    secret = found("secret", name, namespace)
    return secret and {key: base64.b64decode(value).decode() for key, value in secret.get("data", {}).items()}


def known(name: str, namespace: str = SERVERS) -> Values:
    """What a Secret holds.

    Raises:
        ProjectError: There is none.
    """
    content = values(name, namespace)
    if content is None:
        raise ProjectError(f"the cluster has no Secret {name} in {namespace}", "make platform-up")
    return content


def store(name: str, content: Mapping[str, str], namespace: str = SERVERS) -> None:
    """Write a Secret."""
    apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"app.kubernetes.io/part-of": "tabular-zenml"},
            },
            "data": {key: base64.b64encode(value.encode()).decode() for key, value in content.items()},
        }
    )


def provide_all(in_cluster: bool) -> str:
    """Make the Secrets that are missing; one that is there keeps its values.

    Args:
        in_cluster: Whether the S3 server is in the cluster, so that a key pair is how it knows others.

    Returns:
        What was done.

    Raises:
        ConfigError: The address of a database outside the cluster is not set.
    """
    made = [name for name, make in _SERVERS.items() if _provide(name, make, SERVERS)]
    if in_cluster:
        made += ["s3"] * _provide("s3", _s3, SERVERS)
        made += [S3_KEY] * _provide(S3_KEY, _s3_key, SERVERS)
        if values(S3_KEY, MODELS) != (key := known(S3_KEY)):
            store(S3_KEY, key, MODELS)
    else:
        made += ["databases"] * _provide("databases", _databases, SERVERS)
    made += ["tabular-keys"] * _provide("tabular-keys", _api_keys, MODELS)
    return f"made {', '.join(made)}" if made else "are there"


def _provide(name: str, make: Callable[[], Values], namespace: str) -> bool:
    if values(name, namespace) is not None:
        return False
    store(name, make(), namespace)
    return True


def _zenml() -> Values:
    return {
        "ZENML_DEFAULT_USER_PASSWORD": secrets.token_urlsafe(24),
        "ZENML_SERVER_JWT_SECRET_KEY": secrets.token_hex(32),
        "ZENML_SECRETS_STORE_ENCRYPTION_KEY": secrets.token_hex(16),
    }


def _mlflow() -> Values:
    return {
        "MLFLOW_AUTH_ADMIN_USERNAME": "tabular",
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets.token_urlsafe(24),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }


def _s3() -> Values:
    return {"ROOT_ACCESS_KEY": secrets.token_hex(10), "ROOT_SECRET_KEY": secrets.token_urlsafe(30)}


def _databases() -> Values:
    """Where the servers store, from the environment: the addresses hold passwords."""
    names = {"zenml": "EKS_ZENML_DATABASE", "mlflow": "EKS_MLFLOW_DATABASE", "auth": "EKS_MLFLOW_AUTH_DATABASE"}
    given = {key: os.environ.get(name, "") for key, name in names.items()}
    if lacking := [names[key] for key, value in given.items() if not value]:
        raise ConfigError(f"{', '.join(lacking)} not set", f"export {' '.join(f'{n}=mysql…' for n in lacking)}")
    authorization = (
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = {given['auth'].replace('%', '%%')}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return {"zenml": given["zenml"], "mlflow": given["mlflow"], "basic_auth.ini": authorization}


def _s3_key() -> Values:
    return {"AWS_ACCESS_KEY_ID": secrets.token_hex(10), "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30)}


def _api_keys() -> Values:
    """A key for clients of the models, and the file by which their servers know it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys.json"
        command = [sys.executable, "-m", "serving.keys", "add", "--file", str(file), "--name", "platform"]
        key = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        return {"keys.json": file.read_text(encoding="utf-8"), "key": key}


_SERVERS: Mapping[str, Callable[[], Values]] = {"zenml": _zenml, "mlflow": _mlflow}
