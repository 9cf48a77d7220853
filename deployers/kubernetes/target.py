"""Where endpoints live and with what, for both cluster backends, and the names of their objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import ConfigDict

from deployers.interface import Version
from deployers.settings import Placement

OWNER = "tabular-zenml"
"""Field manager of all that we apply, and prefix of our labels."""
ENDPOINT, WORKLOAD, VERSION = f"{OWNER}/endpoint", f"{OWNER}/workload", f"{OWNER}/version"
PORT = 8000
"""The server's, and that of the Services that a route names."""
LONGEST = 12
"""Letters of a version in the name of its workload; the hash behind them tells versions apart."""


class Target(Placement):
    """Where endpoints are made, and the image of their server."""

    model_config = ConfigDict(frozen=True)
    image: str = "heart-model:dev"

    @property
    def kubectl(self) -> str:
        """The words with which a person's kubectl looks there."""
        context = f" --context {self.kubernetes_context}" if self.kubernetes_context else ""
        return f"kubectl{context} --namespace {self.namespace}"

    def endpoint_url(self, name: str) -> str:
        """The URL of an endpoint, the same on both backends: Seldon's."""
        return f"{self.url.rstrip('/')}/seldon/{self.namespace}/{dashed(name)}"


def dashed(name: str) -> str:
    """An endpoint's name as the cluster takes it."""
    return name.replace("_", "-")


def endpoint_of(made: Mapping[str, Any]) -> str:
    """The endpoint that an object belongs to, by our label; its name has no dash of its own."""
    label: str = made["metadata"]["labels"][ENDPOINT]
    return label.replace("-", "_")


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
