"""What the servers keep when their pods are replaced: as a node's failure or an upgrade does it."""

from __future__ import annotations

import sys
from contextlib import suppress

import pytest

from k8s.platform.settings import SERVERS, Settings
from stacks.probes import http_status
from tests.cluster.conftest import kubectl, s3, said_by
from tests.served import until

pytestmark = pytest.mark.cluster
KEPT = "tests/kept"
PATIENCE = 180


def test_what_the_servers_know_outlives_their_pods(
    platform: Settings, variables: dict[str, str], stack: dict[str, str]
) -> None:
    store = s3(platform, variables["MINIKUBE_S3_KEY"], variables["MINIKUBE_S3_SECRET"])
    store.put_object(Bucket=platform.bucket, Key=KEPT, Body=b"kept")
    for name in ("zenml", "mlflow", "s3"):
        kubectl("--namespace", SERVERS, "rollout", "restart", f"deployment/{name}")
    for name in ("zenml", "mlflow", "s3"):
        kubectl("--namespace", SERVERS, "rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE}s")
    login = f"{platform.urls['zenml']}/api/v1/login"
    key = {"grant_type": "zenml-api-key", "password": variables["MINIKUBE_ZENML_API_KEY"]}

    def lets_us_in() -> bool:
        with suppress(OSError):
            return http_status(login, data=key) == 200
        return False

    until(lets_us_in, PATIENCE)
    assert store.get_object(Bucket=platform.bucket, Key=KEPT)["Body"].read() == b"kept"
    store.delete_object(Bucket=platform.bucket, Key=KEPT)
    again = said_by(sys.executable, "run.py", "stack", "apply", "minikube", environment=stack)
    assert again.stdout.startswith("nothing changed"), again.stdout + again.stderr
    search = f"{platform.urls['mlflow']}/api/2.0/mlflow/experiments/search?max_results=1"
    assert http_status(search, variables["MINIKUBE_MLFLOW_USERNAME"], variables["MINIKUBE_MLFLOW_PASSWORD"]) == 200


def test_the_doctor_says_which_server_is_down(platform: Settings, stack: dict[str, str]) -> None:
    kubectl("--namespace", SERVERS, "scale", "deployment/s3", "--replicas", "0")
    try:
        kubectl("--namespace", SERVERS, "wait", "pod", "--selector", "app=s3", "--for", "delete", "--timeout", "60s")
        done = said_by(sys.executable, "run.py", "stack", "doctor", "minikube", environment=stack)
    finally:
        kubectl("--namespace", SERVERS, "scale", "deployment/s3", "--replicas", "1")
        kubectl("--namespace", SERVERS, "rollout", "status", "deployment/s3", f"--timeout={PATIENCE}s")
    assert done.returncode == 4, done.stdout
    lines = done.stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("FAIL")] == ["artifact_store"]
    (at,) = [number for number, line in enumerate(lines) if line.startswith("FAIL")]
    fix = f"fix: start what shall answer at {platform.urls['s3']}, or correct that address"
    assert lines[at + 1].strip() == fix
