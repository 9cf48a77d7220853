"""What `make platform-up` leaves in a cluster: servers that answer those they know, and accounts that may little."""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.kubernetes.manifests import INGRESS
from k8s.platform import credentials, manifests
from k8s.platform.settings import MODELS, PORTS, SERVERS, Settings
from stacks.probes import http_status
from tests.cluster.conftest import kubectl, s3, said_by

pytestmark = pytest.mark.cluster
FOREIGN = "of-somebody-else"
RIGHTS = Path(__file__).with_name("rights.yaml")
OURS = ("--selector", "app.kubernetes.io/part-of=tabular-zenml")

ROUND_TRIP = """
import mlflow
mlflow.set_experiment("tests of the platform")
with mlflow.start_run() as run:
    mlflow.log_text("as it was", "folder/text.txt")
uri = run.info.artifact_uri
print(uri, mlflow.artifacts.load_text(f"{uri}/folder/text.txt"))
mlflow.delete_run(run.info.run_id)
"""


@pytest.mark.parametrize(("server", "path"), [("zenml", "/health"), ("mlflow", "/health"), ("s3", "/health")])
def test_a_server_answers(platform: Settings, server: str, path: str) -> None:
    assert http_status(platform.urls[server] + path) == 200


def test_a_wrong_password_is_refused(platform: Settings, variables: dict[str, str]) -> None:
    login = f"{platform.urls['zenml']}/api/v1/login"
    assert http_status(login, data={"username": "admin", "password": "guessed"}) == 401
    key = variables["MINIKUBE_ZENML_API_KEY"]
    assert http_status(login, data={"grant_type": "zenml-api-key", "password": key[:-4] + "AAAA"}) == 401
    assert http_status(login, data={"grant_type": "zenml-api-key", "password": key}) == 200
    search = f"{platform.urls['mlflow']}/api/2.0/mlflow/experiments/search?max_results=1"
    assert http_status(search, variables["MINIKUBE_MLFLOW_USERNAME"], "guessed") == 401
    assert http_status(search) == 401


def test_our_command_says_that_mlflow_refuses_the_password(stack: dict[str, str]) -> None:
    guessed = {**stack, "MINIKUBE_MLFLOW_PASSWORD": "guessed"}
    done = said_by(sys.executable, "run.py", "stack", "doctor", "minikube", "--json", environment=guessed)
    assert done.returncode == 4, done.stderr
    parts = {each["part"]: each for each in json.loads(done.stdout)["parts"]}
    assert [name for name, each in parts.items() if not each["ok"]] == ["experiment_tracker"]
    assert "refuses the user 'tabular'" in parts["experiment_tracker"]["detail"]
    assert parts["experiment_tracker"]["fix"]


def test_the_doctor_finds_nothing(stack: dict[str, str]) -> None:
    done = said_by(sys.executable, "run.py", "stack", "doctor", "minikube", environment=stack)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_artifact_goes_to_s3_and_comes_back_by_mlflow(variables: dict[str, str]) -> None:
    environment = {
        "MLFLOW_TRACKING_URI": variables["MINIKUBE_MLFLOW_URL"],
        "MLFLOW_TRACKING_USERNAME": variables["MINIKUBE_MLFLOW_USERNAME"],
        "MLFLOW_TRACKING_PASSWORD": variables["MINIKUBE_MLFLOW_PASSWORD"],
    }
    done = said_by(sys.executable, "-c", ROUND_TRIP, environment=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    address, text = done.stdout.splitlines()[-1].split(" ", 1)
    assert text == "as it was"
    assert address.startswith("mlflow-artifacts:/")


def test_the_key_of_the_stack_reaches_its_bucket_and_nothing_else(
    platform: Settings, variables: dict[str, str]
) -> None:
    server = credentials.known("s3")
    administrator = s3(platform, server["ROOT_ACCESS_KEY"], server["ROOT_SECRET_KEY"])
    ours = s3(platform, variables["MINIKUBE_S3_KEY"], variables["MINIKUBE_S3_SECRET"])
    assert variables["MINIKUBE_S3_KEY"] != server["ROOT_ACCESS_KEY"]
    administrator.create_bucket(Bucket=FOREIGN)
    try:
        administrator.put_object(Bucket=FOREIGN, Key="theirs", Body=b"theirs")
        ours.put_object(Bucket=platform.bucket, Key="tests/ours", Body=b"ours")
        assert ours.get_object(Bucket=platform.bucket, Key="tests/ours")["Body"].read() == b"ours"
        ours.delete_object(Bucket=platform.bucket, Key="tests/ours")
        assert [bucket["Name"] for bucket in ours.list_buckets()["Buckets"]] == [platform.bucket]
        refused: list[tuple[str, dict[str, Any]]] = [
            ("get_object", {"Bucket": FOREIGN, "Key": "theirs"}),
            ("list_objects_v2", {"Bucket": FOREIGN}),
            ("put_object", {"Bucket": FOREIGN, "Key": "mine", "Body": b"mine"}),
            ("create_bucket", {"Bucket": f"{FOREIGN}-more"}),
        ]
        for method, arguments in refused:
            with pytest.raises(ours.exceptions.ClientError) as error:
                getattr(ours, method)(**arguments)
            assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, method
    finally:
        administrator.delete_object(Bucket=FOREIGN, Key="theirs")
        administrator.delete_bucket(Bucket=FOREIGN)


def test_mlflow_answers_no_other_host(platform: Settings) -> None:
    url = f"{platform.urls['mlflow']}/api/2.0/mlflow/experiments/search?max_results=1"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, headers={"Host": "elsewhere.example"}), timeout=10)
    assert refused.value.code == 403


@pytest.mark.parametrize("account", ["tabular-orchestrator", "tabular-step", "tabular-serving"])
def test_an_account_may_do_what_the_table_says(platform: Settings, account: str) -> None:
    """Beyond what the cluster allows everybody."""
    assert rights(account) - rights("nobody") == set(yaml.safe_load(RIGHTS.read_text(encoding="utf-8"))[account])


def rights(account: str) -> set[str]:
    """Each right as `verb resource.group`, or as the paths it is for, from `kubectl auth can-i --list`."""
    user = f"system:serviceaccount:{MODELS}:{account}"
    listed = kubectl("auth", "can-i", "--list", "--no-headers", "--namespace", MODELS, "--as", user)
    found = set()
    for line in listed.splitlines():
        what, verbs = line.split()[0], line[line.rindex("[") + 1 : line.rindex("]")].split()
        found |= {f"{verb} {what}" for verb in verbs}
    return found


def test_no_manifest_holds_a_secret(platform: Settings) -> None:
    objects = list(yaml.safe_load_all(manifests.rendered(platform)))
    assert "Secret" not in {each["kind"] for each in objects}
    secrets = [
        secret
        for namespace in (MODELS, SERVERS)
        for secret in json.loads(kubectl("get", "secrets", "--namespace", namespace, *OURS, "--output", "json"))[
            "items"
        ]
    ]
    values = {
        base64.b64decode(value).decode(errors="replace")
        for secret in secrets
        for key, value in secret.get("data", {}).items()
        if not key.endswith("USERNAME")
    }
    assert len(values) >= 8
    everything = kubectl("get", "configmaps,deployments,pods", "--all-namespaces", "--output", "json")
    shown = yaml.safe_dump_all(objects) + everything
    assert [value[:3] for value in values if value in shown] == []


def test_every_pod_may_be_asked_for_and_no_other(platform: Settings) -> None:
    """A policy for each namespace lets nobody in, one more lets steps and models reach the servers."""
    found = {
        namespace: sorted(kubectl("get", "networkpolicies", "--namespace", namespace, "--output", "name").split())
        for namespace in (MODELS, SERVERS)
    }
    prefix = "networkpolicy.networking.k8s.io"
    assert f"{prefix}/nobody-gets-in" in found[MODELS]
    assert found[SERVERS] == [f"{prefix}/nobody-gets-in", f"{prefix}/servers"]


def test_the_gateway_s_namespace_may_ask_endpoints(platform: Settings) -> None:
    found = json.loads(kubectl("get", "namespaces", "--selector", f"{INGRESS}=true", "--output", "json"))["items"]
    services = json.loads(kubectl("get", "services", "--all-namespaces", "--output", "json"))["items"]
    published = [
        each["metadata"]["namespace"]
        for each in services
        if any(port.get("nodePort") == PORTS["gateway"] for port in each["spec"]["ports"])
    ]
    assert {each["metadata"]["name"] for each in found} == set(published)


def test_up_again_changes_nothing(platform: Settings) -> None:
    before = running()
    again = said_by(sys.executable, "-m", "k8s.platform", "up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert running() == before


def running() -> dict[str, str]:
    """Pods of the servers and the versions of what holds their secrets."""
    listed = kubectl("get", "pods,secrets,deployments", "--namespace", SERVERS, "--output", "json")
    found = {}
    for each in json.loads(listed)["items"]:
        name = f"{each['kind']}/{each['metadata']['name']}"
        found[name] = str(each["metadata"].get("generation") or each["metadata"]["uid"])
    return found
