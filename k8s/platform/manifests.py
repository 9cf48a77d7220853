"""The overlay with this cluster's images and addresses, put into the cluster and waited for."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k8s.platform.images import TARGETS
from k8s.platform.programs import kubectl, listed
from k8s.platform.settings import MODELS, PORTS, SERVERS, Settings
from project.errors import Unreachable
from project.images import image_name

OVERLAYS = Path(__file__).parent / "overlays"
INGRESS = "tabular-zenml/ingress"
"""Label of namespaces whose pods may ask endpoints, as the policies of the deployers say it."""
NEEDED = {
    "the Gateway API": ("crd", "httproutes.gateway.networking.k8s.io"),
    "metrics of pods": ("apiservice", "v1beta1.metrics.k8s.io"),
}
"""What others release and people install once for all that runs in a cluster, whatever the deployer."""


def rendered(settings: Settings) -> str:
    """All objects as YAML; none holds a secret value."""
    mlflow = urlsplit(settings.urls["mlflow"]).netloc
    hosts = [mlflow, "mlflow:5000", f"mlflow.{SERVERS}:5000", "localhost:*", "127.0.0.1:*"]
    literals = {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(hosts),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{settings.bucket}/mlflow",
        "AWS_DEFAULT_REGION": settings.region,
    }
    if settings.in_cluster:
        literals["MLFLOW_S3_ENDPOINT_URL"] = settings.urls["s3"]  # clients get signed URLs of it
    kustomization: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"../overlays/{settings.overlay}"],
        "configMapGenerator": [
            {"name": "platform-settings", "namespace": SERVERS, "literals": [f"{k}={v}" for k, v in literals.items()]}
        ],
        "images": [_image(target, settings.registry) for target in TARGETS],
        "patches": list(_patches(settings)),
    }
    with tempfile.TemporaryDirectory(dir=OVERLAYS.parent, prefix=".rendered-") as folder:
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(kustomization), encoding="utf-8")
        return kubectl("kustomize", folder)


def _patches(settings: Settings) -> Iterator[dict[str, Any]]:
    yield _replacing("Gateway", MODELS, "tabular", {"/spec/gatewayClassName": settings.gateway_class})
    if settings.client:
        here = {"ipBlock": {"cidr": str(ip_network(settings.client))}}
        yield _replacing("NetworkPolicy", SERVERS, "servers", {"/spec/ingress/0/from/-": here})
    if not settings.in_cluster:
        for name in ("zenml", "mlflow"):
            host = urlsplit(settings.urls[name]).hostname
            yield _replacing("HTTPRoute", SERVERS, name, {"/spec/hostnames": [host]})
    for (namespace, account), role in settings.roles.items():
        annotations = {"eks.amazonaws.com/role-arn": role}
        yield _replacing("ServiceAccount", namespace, account, {"/metadata/annotations": annotations})


def _replacing(kind: str, namespace: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    operations = [{"op": "add", "path": path, "value": value} for path, value in values.items()]
    return {"target": {"kind": kind, "namespace": namespace, "name": name}, "patch": json.dumps(operations)}


def _image(target: str, registry: str) -> dict[str, str]:
    name, _, tag = image_name(target, registry).rpartition(":")
    return {"name": target, "newName": name, "newTag": tag}


def put(settings: Settings) -> str:
    """Apply all objects.

    Returns:
        What was done.
    """
    options = ("--server-side", "--field-manager", "tabular-platform", "--filename", "-")
    said = kubectl("apply", *options, stdin=rendered(settings))
    return f"{len(said.splitlines())} objects"


def put_namespaces() -> str:
    """Make the namespaces first: the Secrets go there before what refers to them."""
    file = OVERLAYS.parent / "base" / "namespaces.yaml"
    kubectl("apply", "--server-side", "--field-manager", "tabular-platform", "--filename", str(file))
    return "are there"


def admit_gateway() -> str:
    """Let the gateway's pods ask endpoints: the policies there look for a label of its namespace.

    It is found by the port of the node at which its Service is published.

    Returns:
        What was done.
    """
    for service in listed("services", "--all-namespaces"):
        if PORTS["gateway"] in [port.get("nodePort") for port in service["spec"].get("ports", [])]:
            name = str(service["metadata"]["namespace"])
            kubectl("label", "namespace", name, f"{INGRESS}=true", "--overwrite")
            return f"{name} may ask endpoints"
    return f"no Service at port {PORTS['gateway']}: label its namespace {INGRESS}=true where policies are enforced"


def refuse_missing() -> str:
    """See whether the cluster has what others release.

    Raises:
        Unreachable: Something is missing.
    """
    lacking = [
        what for what, (kind, name) in NEEDED.items() if not listed(kind, f"--field-selector=metadata.name={name}")
    ]
    if lacking:
        raise Unreachable(
            f"the cluster lacks {', '.join(lacking)}", "docs/kubernetes.md has the line that installs each"
        )
    return ", ".join(NEEDED)


def wait_for(deployment: str, seconds: float = 180) -> str:
    """Wait until a server answers its probe.

    Raises:
        Unreachable: It does not, with the reason its pod gives.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = _deployment(deployment)["status"]
        if status.get("observedGeneration") and status.get("updatedReplicas") == status.get("readyReplicas") == 1:
            return "ready"
        time.sleep(0.5)
    reasons = "; ".join(_reasons(deployment)) or "no pod of it"
    log = f"kubectl --namespace {SERVERS} logs deployment/{deployment}"
    raise Unreachable(f"{deployment} is not ready after {seconds:.0f} s: {reasons}", log)


def _deployment(name: str) -> dict[str, Any]:
    (found,) = listed("deployment", "--namespace", SERVERS, f"--field-selector=metadata.name={name}")
    return found


def _reasons(deployment: str) -> Iterator[str]:
    for pod in listed("pods", "--namespace", SERVERS, f"--selector=app={deployment}"):
        for condition in pod["status"].get("conditions", []):
            if condition["type"] == "PodScheduled" and condition["status"] != "True":
                yield condition.get("message", "not scheduled")
        for container in pod["status"].get("containerStatuses", []):
            for kind, state in container["state"].items():
                if kind != "running":
                    yield f"{kind}: {state.get('reason', '')} {state.get('message', '')}".strip()[:300]


def remove(seconds: float = 300) -> str:
    """Delete the namespaces with all that is in them, and our label of others; wait until volumes are gone too.

    Returns:
        What is left: nothing, or the volumes that the cluster's storage class keeps.
    """
    file = OVERLAYS.parent / "base" / "namespaces.yaml"
    kubectl("delete", "--ignore-not-found", "--filename", str(file), f"--timeout={seconds:.0f}s", seconds=seconds + 10)
    for namespace in listed("namespaces", f"--selector={INGRESS}"):
        kubectl("label", "namespace", namespace["metadata"]["name"], f"{INGRESS}-")
    end = time.monotonic() + 60
    while (kept := _volumes()) and time.monotonic() < end:
        time.sleep(1)
    return f"gone; the storage class keeps {', '.join(kept)}" if kept else "gone, with their volumes and secrets"


def _volumes() -> list[str]:
    volumes = ((each["metadata"]["name"], each["spec"].get("claimRef", {})) for each in listed("persistentvolumes"))
    return [name for name, claim in volumes if claim.get("namespace") in (MODELS, SERVERS)]
