"""Overlays of `k8s/` in namespaces of their own, and the lines with which docs/endpoints.md gets a prediction."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.kubernetes.pods import is_ready
from k8s.platform import credentials
from k8s.platform.programs import listed
from k8s.platform.settings import Settings
from project.images import image_name
from project.paths import ROOT
from tests.cluster.accounts import RIGHTS, granted
from tests.cluster.conftest import kubectl
from tests.cluster.endpoints import post
from tests.served import HOST, REFERENCE, free_port, listens, until

pytestmark = pytest.mark.cluster
ELSEWHERE = "# not run here"
"""Ends a line of the page that only a cluster of minikube's or kind's takes."""


@pytest.fixture
def namespace(platform: Settings) -> Iterator[str]:
    """A namespace under the restricted standard, gone afterwards."""
    name = f"tests-overlay-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    try:
        kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def overlays(platform: Settings, tmp_path: Path) -> Path:
    """A copy of `k8s/` whose overlays take the server's image from the cluster's registry."""
    copy = tmp_path / "k8s"
    shutil.copytree(ROOT / "k8s", copy)
    name, _, tag = image_name("serving", platform.registry).rpartition(":")
    for file in (
        copy / "overlays/minikube/kustomization.yaml",
        copy / "overlays/eks/advanced/seldon/kustomization.yaml",
    ):
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
        file.write_text(yaml.safe_dump({**given, "images": [{"name": "heart-model", "newName": name, "newTag": tag}]}))
    return copy / "overlays"


def documented() -> str:
    """The lines of the page, those that bring the image to a node left out."""
    page = (ROOT / "docs/endpoints.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh needs=cluster\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "kubectl apply -k k8s/overlays/minikube\n" in block]
    return "".join(line for line in block.splitlines(keepends=True) if ELSEWHERE not in line)


def answers(port: int, key: str) -> None:
    """What is behind the port predicts as the reference bundle says, to who has the key."""
    example: dict[str, Any] = json.loads((REFERENCE / "serving.json").read_bytes())["example"]
    answer = post(f"http://{HOST}:{port}/predict", example["row"], {"X-API-Key": key})
    assert answer.status == 200
    assert answer.json["probability"] == pytest.approx(example["probabilities"][1], abs=1e-6)
    assert post(f"http://{HOST}:{port}/predict", example["row"], {}).status == 401


def test_the_lines_of_the_page_get_a_prediction(namespace: str, overlays: Path, tmp_path: Path) -> None:
    config, port = tmp_path / "kubeconfig", free_port()
    config.write_text(kubectl("config", "view", "--minify", "--flatten", "--raw"))
    kubectl("config", "set-context", "--current", "--namespace", namespace, "--kubeconfig", str(config))
    lines = documented()
    assert ":8000/predict" in lines
    assert " 8000:80 " in lines
    with (
        (tmp_path / "said").open("w+") as said,
        subprocess.Popen(
            ["bash", "-euc", lines.replace("8000", str(port))],
            cwd=overlays.parents[1],
            env={**os.environ, "KUBECONFIG": str(config)},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):
        try:
            code = shell.wait(timeout=180)
            said.seek(0)
            shown = said.read()
            assert code == 0, shown
            answer = json.loads(shown[shown.index("{") : shown.rindex("}") + 1])
            assert (answer["model"], answer["label"]) == ("heart_disease", "no disease")
            key = credentials.known("model-keys", namespace)["key"]
            answers(port, key)
        finally:
            os.killpg(shell.pid, signal.SIGTERM)  # its port-forward
    logs = kubectl("logs", "--namespace", namespace, "--selector", "batch.kubernetes.io/job-name=make-key")
    assert key not in shown + logs
    accounts = {each["metadata"]["name"] for each in listed("serviceaccounts", "--namespace", namespace)}
    table = yaml.safe_load(RIGHTS.read_text(encoding="utf-8"))["k8s/overlays/minikube"]
    assert {account: granted(namespace, account, namespace) for account in accounts} == table

    replicas = ("deployment", "model-service", "--namespace", namespace)
    kubectl("scale", *replicas, "--replicas", "2")  # as the autoscaler does
    kubectl("apply", "--namespace", namespace, "--kustomize", str(overlays / "minikube"))  # twice is as good as once
    assert kubectl("get", *replicas, "--output", "jsonpath={.spec.replicas}") == "2"
    assert credentials.known("model-keys", namespace)["key"] == key


def test_the_overlay_for_seldon_serves_the_reference_bundle_with_a_key_of_its_own(
    namespace: str, overlays: Path
) -> None:
    for _ in range(2):
        kubectl("apply", "--namespace", namespace, "--kustomize", str(overlays / "eks/advanced/seldon"))
    its_pods = ("pods", "--namespace", namespace, "--selector", "app.kubernetes.io/name=model-service")
    until(lambda: any(map(is_ready, listed(*its_pods))), seconds=120)
    port = free_port()
    command = ["kubectl", "port-forward", "--namespace", namespace, "svc/model-service", f"{port}:80"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as forward:
        try:
            until(lambda: listens(port))
            answers(port, credentials.known("model-keys", namespace)["key"])
        finally:
            forward.terminate()
