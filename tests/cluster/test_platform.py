"""What `make platform-up` leaves in a cluster: servers that answer those they know, and accounts that may little."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from deployers.kubernetes.manifests import INGRESS
from k8s.platform import credentials
from k8s.platform.images import TARGETS
from k8s.platform.programs import listed
from k8s.platform.settings import MODELS, PORTS, SERVERS, Settings
from stacks import cluster_probes
from stacks.probes import Failure, http_status
from tests.cluster.accounts import RIGHTS, granted
from tests.cluster.conftest import kubectl, s3, said_by

pytestmark = pytest.mark.cluster
FOREIGN, ORPHAN = "of-somebody-else", "of-nobody"
KEPT = "pods,deployments,secrets,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,services"
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


def test_a_run_whose_stack_has_another_password_ends_before_a_pod_begins(stack: dict[str, str]) -> None:
    guessed = {**stack, "MINIKUBE_MLFLOW_PASSWORD": "guessed"}
    before = listed("pods", "--namespace", MODELS, "--selector", "run_id")
    try:
        assert said_by(sys.executable, "run.py", "stack", "apply", "minikube", environment=guessed).returncode == 0
        done = said_by(sys.executable, "run.py", "train", "--stack", "minikube", "--no-cache", environment=guessed)
    finally:
        assert said_by(sys.executable, "run.py", "stack", "apply", "minikube", environment=stack).returncode == 0
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        4,
        ["error: MLflow refuses the user or password of the stack", "next:  python run.py stack doctor"],
    )
    names = [each["metadata"]["name"] for each in before]
    assert [each["metadata"]["name"] for each in listed("pods", "--namespace", MODELS, "--selector", "run_id")] == names


@pytest.mark.parametrize(
    ("probe", "cause", "fix"),
    [
        pytest.param(
            lambda context: cluster_probes.rights(context, MODELS, {"tabular-serving": [("create", "batch", "jobs")]}),
            "the service account tabular-serving may not create jobs in tabular", "make platform-up", id="rights",
        ),
        pytest.param(
            lambda context: cluster_probes.definitions(context, [("nobody.example", "things")]),
            "knows no things.nobody.example", "install its chart: docs/kubernetes.md has the line", id="definitions",
        ),
        pytest.param(
            lambda context: cluster_probes.gateway(context, MODELS, "none", "", ""),
            "tabular has no Gateway none", "make platform-up", id="no gateway",
        ),
        pytest.param(
            lambda context: cluster_probes.gateway(context, MODELS, ORPHAN, "", ""),
            f"the Gateway {ORPHAN} is not in service: ", "install the implementation of the class nobody", id="orphan",
        ),
        pytest.param(
            lambda context: cluster_probes.kubernetes(context, "tests-none"),
            "has no namespace 'tests-none'", "create namespace tests-none", id="namespace",
        ),
    ],
)  # fmt: skip
def test_the_doctor_says_what_a_cluster_lacks(
    platform: Settings, orphan: None, probe: Callable[[str], str], cause: str, fix: str
) -> None:
    with pytest.raises(Failure) as failure:
        probe(platform.context)
    assert cause in failure.value.cause
    assert fix in failure.value.fix


@pytest.fixture(scope="module")
def orphan(platform: Settings) -> Iterator[None]:
    """A gateway of a class that nobody runs."""
    listener = {"name": "http", "protocol": "HTTP", "port": 80}
    spec = {"gatewayClassName": "nobody", "listeners": [listener]}
    metadata = {"name": ORPHAN, "namespace": MODELS}
    gateway = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}
    kubectl("apply", "--filename", "-", stdin=json.dumps(gateway))
    yield
    kubectl("delete", "gateway", ORPHAN, "--namespace", MODELS)


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


@pytest.mark.parametrize("namespace", [MODELS, SERVERS])
def test_an_account_may_do_what_the_table_says(platform: Settings, namespace: str) -> None:
    """Every account that is there, and nothing in the other namespace."""
    accounts = [each["metadata"]["name"] for each in listed("serviceaccounts", "--namespace", namespace)]
    table = yaml.safe_load(RIGHTS.read_text(encoding="utf-8"))[namespace]
    assert {account: granted(namespace, account, namespace) for account in accounts} == table
    elsewhere = SERVERS if namespace == MODELS else MODELS
    assert [account for account in accounts if granted(namespace, account, elsewhere)] == []


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
    found = listed("namespaces", "--selector", f"{INGRESS}=true")
    published = [
        each["metadata"]["namespace"]
        for each in listed("services", "--all-namespaces")
        if any(port.get("nodePort") == PORTS["gateway"] for port in each["spec"]["ports"])
    ]
    assert {each["metadata"]["name"] for each in found} == set(published)


def test_up_again_changes_nothing(platform: Settings) -> None:
    before = left()
    again = said_by(sys.executable, "-m", "k8s.platform", "up")
    assert again.returncode == 0, again.stdout + again.stderr
    assert left() == before
    said = [line.split(" s  ")[1] for line in again.stdout.splitlines() if line.startswith("  ✓ image ")]
    assert said == ["was here, loaded" if platform.context.startswith("kind-") else "is in the registry"] * len(TARGETS)


def left() -> dict[tuple[str, str, str], tuple[str, str]]:
    """What `up` puts into both namespaces, each object with what another one of its name or content would change."""
    found = {}
    for namespace, which in ((MODELS, OURS), (SERVERS, ())):
        for each in listed(KEPT, "--namespace", namespace, *which):
            metadata = each["metadata"]
            # What has a status is written by its controller too, and has a generation that this leaves as it is.
            version = "" if each["kind"] == "Pod" else metadata.get("generation") or metadata["resourceVersion"]
            found[namespace, each["kind"], metadata["name"]] = metadata["uid"], str(version)
    return found
