"""The server on Kubernetes for people without ZenML: `k8s/base`, from the same objects that deployers apply.

`python -m deployers.standalone` writes the files anew; a test compares them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from deployers.interface import Version
from deployers.kubernetes import manifests
from deployers.kubernetes.manifests import Source
from deployers.kubernetes.route import http_route
from deployers.kubernetes.target import Called, Target
from deployers.seldon import manifests as seldon
from deployers.traffic import WHOLE, Mode
from project.paths import ROOT

NAME = "model-service"
OF = Called(NAME, {"app.kubernetes.io/name": NAME}, {"app.kubernetes.io/name": NAME})
TARGET = Target(url="", bundles="", image="heart-model:dev", keys_secret="model-keys", service_account=NAME)  # noqa: S106  a name, no password
REFERENCE = Source(["--bundle", "/bundle"])
"""The bundle that is in the image."""
PORT = 80
HEAD = "# Written by `python -m deployers.standalone` from what a deployer applies; overlays are for changes.\n"


def objects() -> dict[str, list[dict[str, Any]]]:
    """The objects of `k8s/base`, by file."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "labels": dict(OF.labels)}}
    pods = manifests.deployment(TARGET, OF, REFERENCE, TARGET.replicas)
    del pods["spec"]["replicas"]  # the autoscaler's: `kubectl apply` would take back what it has made
    return {
        "deployment.yaml": [{**account, "automountServiceAccountToken": False}, pods],
        "service.yaml": [manifests.service(OF, PORT)],
        "availability.yaml": [manifests.disruption_budget(OF), manifests.autoscaler(TARGET, OF)],
        "network.yaml": [manifests.network_policy(TARGET, OF)],
    }


def route() -> dict[str, Any]:
    """The route of an endpoint to the one Service, for who has a gateway."""
    made = http_route(TARGET, "heart_disease", {Version("base", "", ""): WHOLE}, Mode.REPLACE)
    (rule,) = made["spec"]["rules"]
    rule["backendRefs"] = [{"name": NAME, "port": PORT}]
    return {**made, "metadata": {"name": NAME, "labels": dict(OF.labels)}}


def seldon_deployment() -> dict[str, Any]:
    """The same pods for Seldon's operator."""
    made = seldon.seldon_deployment(NAME, [seldon.predictor(TARGET, OF, "main", REFERENCE)])
    return {**made, "metadata": {"name": NAME, "labels": dict(OF.labels)}}


def files() -> dict[Path, str]:
    """Every file that is written, and its text."""
    base = {ROOT / "k8s" / "base" / name: each for name, each in objects().items()}
    base[ROOT / "k8s" / "components" / "gateway" / "route.yaml"] = [route()]
    advanced = ROOT / "k8s" / "overlays" / "eks" / "advanced"
    base[advanced / "seldon" / "seldondeployment.yaml"] = [seldon_deployment()]
    return {path: HEAD + yaml.safe_dump_all(each, sort_keys=False) for path, each in base.items()}


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
