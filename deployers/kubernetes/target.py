"""Where endpoints live and with what: the configuration of both cluster backends, and the names of their objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from deployers.interface import Version

OWNER = "tabular-zenml"
"""Field manager of all that we apply, and prefix of our labels."""
ENDPOINT, WORKLOAD, VERSION = f"{OWNER}/endpoint", f"{OWNER}/workload", f"{OWNER}/version"
PORT = 8000
"""The server's, and that of the Services that a route names."""
LONGEST = 12
"""Letters of a version in the name of its workload; the hash behind them tells versions apart."""


@dataclass(frozen=True, slots=True)
class Target:
    """A namespace of a cluster, and what an endpoint in it is made with."""

    url: str
    """Base URL under which the cluster's gateway is reached."""
    bundles: str
    """`s3://BUCKET/PREFIX`; a bundle lies below it by its digest."""
    namespace: str = "tabular"
    context: str | None = None
    """The kubeconfig's context; without it the current one."""
    incluster: bool = False
    """Inside a pod use its own account; elsewhere the context counts."""
    image: str = "heart-model:dev"
    replicas: int = 2
    most_replicas: int = 6
    """To which the autoscaler may go, where there is one; no more than `replicas`: there is none."""
    s3_endpoint: str | None = None
    """The S3 server, an address that both this process and pods reach; without it AWS."""
    s3_region: str | None = None
    s3_secret: str | None = None
    """Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without it pods and this process use their roles."""
    keys_secret: str = "tabular-keys"  # noqa: S105  a name, no password
    """Secret with the server's `keys.json`, and under `key` a key for those who may read it."""
    gateway: str = "tabular"
    service_account: str = "tabular-serving"

    def endpoint_url(self, name: str) -> str:
        """The URL of an endpoint, the same on both backends: Seldon's."""
        return f"{self.url.rstrip('/')}/seldon/{self.namespace}/{dashed(name)}"


def dashed(name: str) -> str:
    """An endpoint's name as the cluster takes it."""
    return name.replace("_", "-")


def short(version: Version) -> str:
    """A version as part of a name: readable, and another one for another bundle."""
    letters = re.sub("[^a-z0-9]+", "-", version.version.lower()).strip("-")[:LONGEST].strip("-")
    return f"{letters or 'v'}-{sha256(f'{version.version} {version.digest}'.encode()).hexdigest()[:8]}"


def workload(name: str, version: Version) -> str:
    """Name of the objects that serve one version of an endpoint."""
    return f"{dashed(name)}-{short(version)}"


def labels(name: str, version: Version | None = None) -> Mapping[str, str]:
    """Our labels on objects of an endpoint, or of one of its versions; they alone say what is ours."""
    own = {ENDPOINT: dashed(name), "app.kubernetes.io/name": dashed(name), "app.kubernetes.io/part-of": OWNER}
    if version is None:
        return own
    readable = re.sub(r"[^\w.-]+", "-", version.version, flags=re.ASCII)[:63].strip("-_.")
    return {**own, WORKLOAD: workload(name, version), VERSION: readable or "unnamed"}


@dataclass(frozen=True, slots=True)
class Called:
    """How a group of pods and all that stands around them are called, labelled and found."""

    name: str
    labels: Mapping[str, str]
    selected: Mapping[str, str]
    """Labels that these pods have and no others."""


def called(name: str, version: Version) -> Called:
    """The pods of one version of an endpoint."""
    return Called(workload(name, version), labels(name, version), {WORKLOAD: workload(name, version)})


def endpoint_called(name: str) -> Called:
    """All pods of an endpoint."""
    return Called(dashed(name), labels(name), {ENDPOINT: dashed(name)})
