"""`kubectl apply -k` of an overlay in a namespace of its own, and the request that the page shows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from deployers.kubernetes.pods import is_ready
from k8s.platform import credentials
from k8s.platform.programs import listed
from k8s.platform.settings import Settings
from project.images import image_name
from project.paths import ROOT
from tests.cluster.conftest import kubectl
from tests.cluster.endpoints import post
from tests.served import HOST, REFERENCE, free_port, listens, until

pytestmark = pytest.mark.cluster
LABEL = "app.kubernetes.io/name=model-service"


@pytest.fixture(params=["minikube", "eks/advanced/seldon"])
def overlay(request: pytest.FixtureRequest) -> str:
    """One for each way in which the pods are made."""
    return str(request.param)


@pytest.fixture
def namespace(platform: Settings, overlay: str) -> Iterator[str]:
    """A namespace under the restricted standard, gone afterwards."""
    name = f"tests-{overlay.replace('/', '-')}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def test_the_overlay_serves_the_reference_bundle_with_a_key_of_its_own(
    namespace: str, overlay: str, platform: Settings
) -> None:
    built = kubectl("kustomize", str(ROOT / "k8s" / "overlays" / overlay))
    objects = built.replace("image: heart-model:dev", f"image: {image_name('serving', platform.registry)}")
    kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=objects)
    deployment = ("deployment", "model-service", "--namespace", namespace)
    if overlay == "minikube":
        kubectl("scale", *deployment, "--replicas", "2")  # as the autoscaler does
    kubectl("apply", "--namespace", namespace, "--filename", "-", stdin=objects)  # twice is as good as once
    if overlay == "minikube":
        assert kubectl("get", *deployment, "--output", "jsonpath={.spec.replicas}") == "2"
    its_pods = ("pods", "--namespace", namespace, "--selector", LABEL)
    until(lambda: any(map(is_ready, listed(*its_pods))), seconds=120)
    key, port = credentials.known("model-keys", namespace)["key"], free_port()
    command = ["kubectl", "port-forward", "--namespace", namespace, "svc/model-service", f"{port}:80"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as forward:
        try:
            until(lambda: listens(port))
            example = json.loads((REFERENCE / "serving.json").read_bytes())["example"]
            url = f"http://{HOST}:{port}/predict"
            answer = post(url, example["row"], {"X-API-Key": key})
            assert answer.status == 200
            assert answer.json["probability"] == pytest.approx(example["probabilities"][1], abs=1e-6)
            assert post(url, example["row"], {}).status == 401
        finally:
            forward.terminate()
