"""Every object that `k8s/` makes has fields that its kind knows, those of other people's kinds too."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from k8s.platform import manifests
from project.paths import ROOT
from tests.unit.k8s.test_platform_manifests import SETTINGS

OVERLAYS = ROOT / "k8s" / "overlays"
STANDALONE = sorted(str(path.parent.relative_to(OVERLAYS)) for path in OVERLAYS.rglob("kustomization.yaml"))


def judged(objects: str) -> subprocess.CompletedProcess[str]:
    """What kubeconform says of some objects."""
    for program in ("kubectl", "kubeconform"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} on the path")
    if not (schemas := os.environ.get("KUBERNETES_SCHEMAS")):
        pytest.skip("KUBERNETES_SCHEMAS names no folder; .ci/schemas writes one")
    location = f"{schemas}/{{{{.ResourceKind}}}}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"
    command = ["kubeconform", "-strict", "-summary", "-schema-location", location]
    return subprocess.run(command, input=objects, capture_output=True, text=True, check=False)


def overlay(name: str) -> str:
    return subprocess.run(
        ["kubectl", "kustomize", str(OVERLAYS / name)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("name", STANDALONE)
def test_an_overlay_conforms(name: str) -> None:
    done = judged(overlay(name) if shutil.which("kubectl") else "")
    assert done.returncode == 0, done.stdout
    assert "Skipped: 0" in done.stdout


@pytest.mark.parametrize("of", SETTINGS)
def test_the_platform_conforms(of: str) -> None:
    done = judged(manifests.rendered(SETTINGS[of]) if shutil.which("kubectl") else "")  # type: ignore[index]
    assert done.returncode == 0, done.stdout
    assert "Skipped: 0" in done.stdout


@pytest.mark.parametrize(
    ("name", "written", "wrong"),
    [
        pytest.param("eks/advanced", "workloadRef:", "workLoadRef:", id="Argo's"),
        pytest.param("eks/advanced/seldon", "componentSpecs:", "componentSpec:", id="Seldon's"),
        pytest.param("minikube-gateway", "parentRefs:", "parents:", id="the Gateway API's"),
        pytest.param("minikube", "readinessProbe:", "readyProbe:", id="Kubernetes' own"),
    ],
)
def test_a_misspelt_field_is_found(name: str, written: str, wrong: str) -> None:
    text = overlay(name) if shutil.which("kubectl") else written
    assert written in text
    assert judged(text.replace(written, wrong)).returncode == 1
