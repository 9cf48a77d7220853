"""What the Secrets of the models' namespace open: an endpoint for us, and the store of bundles."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from deployers.client import Address
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.store import Store
from deployers.kubernetes.target import Target
from project.errors import ConfigError, Unreachable


def address(cluster: Cluster, target: Target, name: str) -> Address:
    """The public address of an endpoint, with a key to ask it.

    Raises:
        ConfigError: The Secret has no key, or one that no header takes.
        Unreachable: There is no such Secret.
    """
    key = _secret(cluster, target.keys_secret).get("key")
    if key is None:
        cause = f"Secret {target.keys_secret} in {target.namespace} has no `key` to ask endpoints with"
        raise ConfigError(cause, "make platform-up")
    key = key.strip()
    if not (key.isascii() and key.isprintable()):  # http.client would say it, key and all, when it is sent
        cause = f"the `key` of Secret {target.keys_secret} in {target.namespace} has characters that no header takes"
        raise ConfigError(cause, "make platform-up")
    return Address.of(target.endpoint_url(name), {"X-API-Key": key})


def store(cluster: Cluster, target: Target) -> Store:
    """Where the bundles are.

    Raises:
        Unreachable: There is no such Secret.
    """
    credentials = {}
    if target.s3_secret:
        secret = _secret(cluster, target.s3_secret)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        credentials = {of.lower(): secret[of] for of in names if of in secret}
    return Store(target.bundles, target.s3_endpoint, target.s3_region, credentials)


def _secret(cluster: Cluster, name: str) -> Mapping[str, str]:
    found = cluster.get("Secret", name)
    if found is None:
        raise Unreachable(f"namespace {cluster.namespace} has no Secret {name}", "make platform-up")
    return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}
