"""`k8s/`: what is written is what deployers apply, and every overlay can be built."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.standalone import NAME, files
from project.paths import ROOT
from serving.metrics import BUCKETS, exposition

SERVED = set(re.findall(r"^# TYPE (\S+)", exposition([], []).decode(), re.MULTILINE)) | {
    f"prediction_duration_seconds_{part}" for part in ("bucket", "count")
}
OVERLAYS = ROOT / "k8s" / "overlays"
BASE = "Deployment Service PodDisruptionBudget HorizontalPodAutoscaler NetworkPolicy ServiceAccount"
KEYS = "ServiceAccount Role RoleBinding Job ConfigMap"
BUILT = {
    "minikube": (1, f"{BASE} {KEYS} Ingress"),
    "minikube-gateway": (1, f"{BASE} {KEYS} Ingress HTTPRoute"),
    "eks": (3, f"{BASE} {KEYS} HTTPRoute"),
    "eks/advanced": (4, f"{BASE} {KEYS} HTTPRoute Rollout AnalysisTemplate"),
    "eks/advanced/seldon": (None, f"{BASE} {KEYS} HTTPRoute SeldonDeployment"),
}
"""Least pods that the autoscaler leaves, and kinds of objects of each overlay."""


@pytest.mark.parametrize("path", list(files()), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_is_what_a_deployer_applies(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == files()[path], "python -m deployers.standalone"


def built(overlay: str) -> list[dict[str, Any]]:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on the path")
    command = ["kubectl", "kustomize", str(OVERLAYS / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("overlay", list(BUILT))
def test_an_overlay_is_whole(overlay: str) -> None:
    found = built(overlay)
    least, kinds = BUILT[overlay]
    made_by_others = {"Deployment", "HorizontalPodAutoscaler"} if least is None else set()
    assert Counter(each["kind"] for each in found) == Counter(
        kind for kind in kinds.split() if kind not in made_by_others
    )
    scaled = [each["spec"]["minReplicas"] for each in found if each["kind"] == "HorizontalPodAutoscaler"]
    assert scaled == ([] if least is None else [least])


@pytest.mark.parametrize(
    ("overlay", "stated"), [("minikube", {}), ("eks", {}), ("eks/advanced", {"Deployment": 0})], ids=str
)
def test_how_many_pods_there_are_is_the_autoscaler_s(overlay: str, stated: dict[str, int]) -> None:
    """Where a file says it too, each `kubectl apply` takes back what the autoscaler has made."""
    found = [each for each in built(overlay) if each["kind"] in ("Deployment", "Rollout")]
    assert {each["kind"]: each["spec"]["replicas"] for each in found if "replicas" in each["spec"]} == stated
    assert {each["metadata"]["name"] for each in found} == {NAME}


def test_every_overlay_is_looked_at() -> None:
    assert {str(path.parent.relative_to(OVERLAYS)) for path in OVERLAYS.rglob("kustomization.yaml")} == set(BUILT)


def test_the_autoscaler_scales_what_argo_rollouts_makes() -> None:
    found = {each["kind"]: each for each in built("eks/advanced")}
    rollout = found["Rollout"]
    scaled = found["HorizontalPodAutoscaler"]["spec"]
    assert scaled["scaleTargetRef"] == {key: rollout[key] for key in ("apiVersion", "kind")} | {"name": NAME}
    assert rollout["spec"]["workloadRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert rollout["spec"]["selector"] == found["Deployment"]["spec"]["selector"]
    (template,) = {each["analysis"]["templates"][0]["templateName"] for each in steps(rollout) if "analysis" in each}
    assert template == found["AnalysisTemplate"]["metadata"]["name"]
    given = {each["name"] for each in next(each for each in steps(rollout) if "analysis" in each)["analysis"]["args"]}
    assert given == {each["name"] for each in found["AnalysisTemplate"]["spec"]["args"] if "value" not in each}


def steps(rollout: dict[str, Any]) -> list[dict[str, Any]]:
    return list(rollout["spec"]["strategy"]["canary"]["steps"])


def test_the_analysis_is_the_guard_of_the_config_on_metrics_that_the_server_has() -> None:
    guard = yaml.safe_load((ROOT / "configs" / "deployment.yaml").read_text(encoding="utf-8"))["rollout"]["guard"]
    template = next(each for each in built("eks/advanced") if each["kind"] == "AnalysisTemplate")
    metrics = {each["name"]: each for each in template["spec"]["metrics"]}
    for name in ("errors", "slow", "shift"):
        query = metrics[name]["provider"]["prometheus"]["query"]
        assert metrics[name]["successCondition"] == f"len(result) > 0 && result[0] <= {guard[name]}"
        assert metrics[name]["failureCondition"] == f"len(result) > 0 && result[0] > {guard[name]}"
        assert query.count(f">= {guard['requests']}") == (3 if name == "shift" else 1)
        of_clients = query.count('status=~"5..",route!~"/health.*"}')  # a probe or a scrape is no request
        assert query.count("http_responses_total{") == of_clients
        assert metrics[name]["inconclusiveLimit"] < metrics[name]["count"], "Argo takes as many for a success"
        counted = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b(?=\{)", query))
        assert counted
        assert counted <= SERVED, counted - SERVED
    assert f'le="{guard["slow_seconds"]}"' in metrics["slow"]["provider"]["prometheus"]["query"]
    assert guard["slow_seconds"] in BUCKETS
