"""`k8s/`: what is written is what deployers apply, and every overlay can be built."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from deployers.kubernetes.standalone import NAME, files
from project.paths import ROOT

OVERLAYS = ROOT / "k8s" / "overlays"
BASE = "Deployment Service PodDisruptionBudget HorizontalPodAutoscaler NetworkPolicy ServiceAccount"
KEYS = "ServiceAccount Role RoleBinding Job ConfigMap"
BUILT = {
    "minikube": (1, f"{BASE} {KEYS} Ingress"),
    "minikube-gateway": (1, f"{BASE} {KEYS} Ingress HTTPRoute"),
    "eks": (3, f"{BASE} {KEYS} HTTPRoute"),
}
"""Pods and kinds of objects of each overlay."""


@pytest.mark.parametrize("path", list(files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_is_what_a_deployer_applies(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "python -m deployers.kubernetes.standalone"


@pytest.mark.parametrize("overlay", list(BUILT))
def test_an_overlay_is_whole(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on the path")
    command = ["kubectl", "kustomize", str(OVERLAYS / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all(done.stdout))
    replicas, kinds = BUILT[overlay]
    assert Counter(each["kind"] for each in found) == Counter(kinds.split())
    (pods,) = [each for each in found if each["kind"] == "Deployment"]
    assert (pods["metadata"]["name"], pods["spec"]["replicas"]) == (NAME, replicas)


def test_every_overlay_is_looked_at() -> None:
    assert {path.parent.name for path in OVERLAYS.glob("*/kustomization.yaml")} == set(BUILT)
