"""An endpoint of the tests' own in the cluster, under both backends, and clients that ask it without pause."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deployers.kubernetes import Target, kubernetes_deployer
from deployers.kubernetes.deployer import ClusterDeployer
from deployers.rollout import RolloutSettings
from deployers.seldon import seldon_deployer
from deployers.traffic import TrafficPlan
from k8s.platform import credentials
from k8s.platform.programs import listed
from k8s.platform.settings import MODELS, Settings
from project.images import image_name
from tests.broken_bundles import failing, slow
from tests.cluster.conftest import kubectl
from tests.load.load import Load, asking
from tests.served import PATIENCE, Answer
from tests.serving_bundle import ROW, heart_bundle

NAME, DASHED = "rollout_trial", "rollout-trial"
BACKENDS = {"kubernetes": kubernetes_deployer, "seldon": seldon_deployer}
RATE, CLIENTS = 200, 8
"""Requests per second, and clients of each kind: with a kept connection and with fresh ones."""
GUARD = {"errors": 0.02, "slow_seconds": 1.0, "slow": 1.0, "requests": 50, "shift": 1.0}


def target_of(platform: Settings, **changed: Any) -> Target:
    """The models' namespace, with what `make platform-up` has put there."""
    given: dict[str, Any] = {
        "url": platform.urls["gateway"],
        "bundles": f"s3://{platform.bucket}/tests/bundles",
        "kubernetes_context": platform.context,
        "image": image_name("serving", platform.registry),
        "s3_endpoint": platform.urls["s3"],
        "s3_region": platform.region,
        "s3_secret": "tabular-s3",
    }
    return Target(**{**given, **changed})


def bundles_below(folder: Path) -> dict[str, Path]:
    """Three models, and three that go bad when they get traffic."""
    for version, strength in (("v1", 1.0), ("v2", 0.01), ("v3", 0.1), ("failing", 0.02), ("slow", 0.03)):
        heart_bundle(folder / version, strength=strength, name=NAME)
    heart_bundle(folder / "shifted", threshold=0.001, name=NAME)
    failing(folder / "failing")
    slow(folder / "slow", products=2)  # twice 432 million operations: 5 ms at 170 GFLOPS
    return {path.name: path for path in folder.iterdir()}


@dataclass(frozen=True, slots=True)
class Trial:
    """The endpoint under one backend."""

    backend: str
    deployer: ClusterDeployer
    made: Mapping[str, Path]

    def replace(self, version: str, bundle: str = "") -> None:
        """Let a version serve alone."""
        self.deployer.deploy(self.made[bundle or version], version, TrafficPlan.replace(version))

    def load(self, **changed: object) -> AbstractContextManager[Load]:
        """Requests at a constant rate on the public way while a block runs."""
        parts = urlsplit(self.deployer.target.endpoint_url(NAME))
        assert parts.hostname is not None
        found = Load(
            parts.port or 80,
            {**ROW, **changed},
            parts.hostname,
            parts.path,
            {"X-API-Key": key()},
            pause=2 * CLIENTS / RATE,
            patience=10.0,
        )
        return asking(found, CLIENTS)

    def pods(self) -> list[Any]:
        """Its pods that are not about to leave."""
        return [pod for pod in objects("pods") if "deletionTimestamp" not in pod["metadata"]]

    def versions(self) -> set[str]:
        """Versions that have pods."""
        return {pod["metadata"]["labels"]["tabular-zenml/version"] for pod in self.pods()}


def settings(
    strategy: str,
    seconds: float = 3.0,
    shares: tuple[float, ...] = (10, 50),
    guard: Mapping[str, float] | None = None,
) -> RolloutSettings:
    """How a version takes over."""
    how: dict[str, Any] = {"strategy": strategy, "seconds": seconds, "shares": list(shares)}
    return RolloutSettings.model_validate({**how, "guard": {**GUARD, **(guard or {})}})


@cache
def key() -> str:
    """The clients' key."""
    return credentials.known("tabular-keys", MODELS)["key"]


def post(url: str, body: object, headers: Mapping[str, str]) -> Answer:
    """One request on a connection of its own, and whatever comes back."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    try:
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def read(kind: str, name: str) -> Any:
    """An object of the models' namespace."""
    return json.loads(kubectl("get", kind, name, "--namespace", MODELS, "--output", "json"))


def objects(kind: str, selector: str = f"tabular-zenml/endpoint={DASHED}") -> list[Any]:
    """Objects of a kind that are the endpoint's, or have other labels, with who wrote which of their fields."""
    return listed(kind, "--namespace", MODELS, "--selector", selector, "--show-managed-fields")


def refuse_left() -> None:
    """Fail if anything of the endpoint is left."""
    kinds = "deployments,services,httproutes,poddisruptionbudgets,horizontalpodautoscalers,networkpolicies,configmaps"
    for kind in (*kinds.split(","), "seldondeployments", "leases", "pods"):
        assert objects(kind) == [], kind


def copied(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle, to be damaged."""
    return Path(shutil.copytree(bundle, folder))
