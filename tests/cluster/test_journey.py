"""The journey of README on a cluster: the same bundle, and the same answers at the same paths, as on a laptop."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deployers import TrafficPlan
from deployers.local import LocalDeployer
from k8s.platform.settings import MODELS
from project.paths import ROOT
from project.strict_yaml import read_yaml
from tabular.contract import load_contract
from tabular.sites import SITE, read_sites
from tabular.training_config import TrainingConfig
from tests.cluster.conftest import Done, kubectl
from tests.cluster.endpoints import key, objects, post
from tests.integration.project_copy import Project
from tests.served import free_port, listens, until

pytestmark = pytest.mark.cluster
JOURNEY = 900
CANARY = ("--stack", "minikube", "--strategy", "canary", "--share", "10", "--seconds")
EDIT = f"the split of {uuid4()}"
"""What an edited step prints: not one that an earlier run left in the cache."""
NAME, BUNDLE = "heart_disease", ROOT / "models" / "heart_disease"


class Cluster:
    """A copy of the project, and `run.py` in it with the variables of `make platform-env`."""

    def __init__(self, project: Project, variables: Mapping[str, str]) -> None:
        self.project = project
        self.environment = {**project.environment, **variables}

    def run(self, *arguments: str) -> Done:
        """What the command says, whether it succeeds or not."""
        command = [sys.executable, "run.py", *arguments]
        where = {"cwd": self.project.root, "env": self.environment}
        return subprocess.run(command, **where, capture_output=True, text=True, timeout=JOURNEY, check=False)  # type: ignore[call-overload, no-any-return]

    def json(self, *arguments: str) -> Any:
        """Its answer; a command that fails fails the test with what it said."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def cluster(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    found = Cluster(Project.copy(tmp_path_factory.mktemp("cluster")), variables)
    found.run("down", "--stack", "minikube")  # what an earlier journey left would be a version to go back to
    yield found
    found.run("down", "--stack", "minikube")


@pytest.fixture(scope="module")
def journey(cluster: Cluster) -> Any:
    return cluster.json("--stack", "minikube", "--no-cache")  # also where an earlier journey has left a cache


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Every row of every site, as a client sends it."""
    contract = load_contract(NAME)
    found, _ = read_sites(contract, list(contract.sites))
    columns = found.drop(columns=[SITE, contract.target.column])
    sent: list[dict[str, Any]] = json.loads(columns.to_json(orient="records"))
    return sent


def newest(step: str) -> Any:
    """The last pod of a step."""
    return max(objects("pods", f"step_name={step}"), key=lambda pod: pod["metadata"]["creationTimestamp"])


def probabilities(answers: Sequence[Mapping[str, Any]]) -> list[float]:
    return [each["probability"] for each in answers]


def test_it_makes_the_bundle_a_laptop_makes(journey: Any) -> None:
    reference = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
    assert journey["promotion"]["digest"] == journey["endpoint"]["digest"] == reference
    assert journey["prediction"]["version"] == journey["promotion"]["version"]
    assert [report["outcome"] for report in journey["drift"]] == ["retrain"]


def test_candidates_are_scored_in_pods_of_their_own_side_by_side(cluster: Cluster, journey: Any) -> None:
    """Some of them: a small node has no room for all at once."""
    config = read_yaml(cluster.project.root / "configs" / "training.yaml", TrainingConfig)
    run = newest("split_rows")["metadata"]["labels"]["run_id"]
    pods = {pod["metadata"]["labels"]["step_name"]: pod for pod in objects("pods", f"run_id={run},step_name")}
    scoring = {name: pod for name, pod in pods.items() if name.startswith("score_")}
    assert scoring.keys() == {f"score_{name}" for name, _, _ in config.taking_part("quick")}
    ended = [each["state"]["terminated"] for pod in scoring.values() for each in pod["status"]["containerStatuses"]]
    worked = sorted((each["startedAt"], each["finishedAt"]) for each in ended)
    assert any(begun < finished for (_, finished), (begun, _) in pairwise(worked)), worked


def test_every_prediction_is_the_laptop_s(journey: Any, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Through the gateway, in our own words and in Seldon's, against a local server of the committed bundle."""
    local = LocalDeployer(tmp_path / "endpoints", port=free_port())
    local.deploy(BUNDLE, "v1", TrafficPlan.replace("v1"))
    try:
        here = post(f"http://127.0.0.1:{local.port}/predict", rows, {}).json
    finally:
        local.down(NAME)
    url, keyed = journey["endpoint"]["url"], {"X-API-Key": key()}
    there = post(f"{url}/predict", rows, keyed).json
    assert len(here) == len(rows) == 920
    assert probabilities(there) == probabilities(here)
    assert [each["label"] for each in there] == [each["label"] for each in here]
    names = list(rows[0])
    body = {"data": {"names": names, "ndarray": [[row[name] for name in names] for row in rows]}}
    seldon = post(f"{url}/api/v1.0/predictions", body, keyed).json["data"]
    assert [row[-1] for row in seldon["ndarray"]] == pytest.approx(probabilities(here), abs=1e-12)


def test_the_commands_speak_of_the_cluster_as_of_a_laptop(cluster: Cluster, journey: Any) -> None:
    """Without `--stack` and without a variable: where the tree last deployed counts."""
    bare = Cluster(cluster.project, {})
    (status,) = bare.json("status", "--dataset", NAME)["endpoints"]
    assert (status["ready"], status["stack"], status["url"]) == (True, "minikube", journey["endpoint"]["url"])
    assert status["serving"] == journey["promotion"]["version"]
    assert [name.startswith("heart-disease-") for name in status["pods"]] == [True, True]
    printed = bare.json("endpoint")["curl"]
    said = subprocess.run(["bash", "-c", printed], capture_output=True, text=True, timeout=30, check=True).stdout
    assert json.loads(said)["probability"] == pytest.approx(journey["prediction"]["probability"], abs=1e-12)
    row = json.dumps(journey["endpoint"]["example"])
    assert bare.json("predict", "--row", row)["version"] == journey["promotion"]["version"]
    refused = bare.run("rollback")
    assert refused.returncode == 3
    assert "no earlier version" in refused.stderr


def test_a_way_past_the_gateway_is_open_until_ctrl_c(cluster: Cluster, journey: Any) -> None:
    port = free_port()
    # A shell's background job ignores Ctrl-C, and so do its children.
    command = ["env", "--default-signal=INT", sys.executable, "run.py", "endpoint", "--stack", "minikube"]
    where: dict[str, Any] = {"cwd": cluster.project.root, "env": cluster.environment, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--forward", str(port)], **where) as way:
        try:
            until(lambda: listens(port), seconds=60)
            found = post(f"http://127.0.0.1:{port}/predict", journey["endpoint"]["example"], {"X-API-Key": key()}).json
        finally:
            way.send_signal(signal.SIGINT)
        assert way.wait(timeout=30) == 130
    assert found["version"] == journey["promotion"]["version"]
    assert not listens(port)


def test_on_a_terminal_a_way_past_a_gateway_that_does_not_answer_opens_by_itself(
    cluster: Cluster, journey: Any
) -> None:
    file, gateway = ".endpoints/stacks.json", cluster.environment["MINIKUBE_ENDPOINT_URL"]
    terminal, output = pty.openpty()
    command = ["env", "--default-signal=INT", sys.executable, "run.py", "endpoint"]
    with cluster.project.restored(file):
        cluster.project.edit(file, gateway, f"http://127.0.0.1:{free_port()}")
        with subprocess.Popen(command, cwd=cluster.project.root, env=cluster.environment, stdout=output) as way:
            try:
                url = re.match(r"http://127\.0\.0\.1:(\d+)", os.read(terminal, 1000).decode())
                assert url is not None
                until(lambda: listens(int(url[1])), seconds=60)
                found = post(f"{url[0]}/predict", journey["endpoint"]["example"], {"X-API-Key": key()}).json
            finally:
                way.send_signal(signal.SIGINT)
            assert way.wait(timeout=30) == 130
    assert found["version"] == journey["promotion"]["version"]


def test_after_zenml_stack_set_the_plain_command_uses_the_stack_and_its_cache(cluster: Cluster, journey: Any) -> None:
    where = {
        **cluster.environment,
        "ZENML_STORE_URL": cluster.environment["MINIKUBE_ZENML_URL"],
        "ZENML_STORE_API_KEY": cluster.environment["MINIKUBE_ZENML_API_KEY"],
    }
    chosen = [str(Path(sys.executable).parent / "zenml"), "stack", "set", "minikube"]
    subprocess.run(chosen, cwd=cluster.project.root, env=where, stdout=subprocess.DEVNULL, timeout=180, check=True)
    again = Cluster(cluster.project, where).run("--json")
    assert again.returncode == 0, again.stderr[-4000:]
    found = json.loads(again.stdout)
    assert (found["stack"], found["promotion"]) == ("minikube", {**journey["promotion"], "changed": False})
    assert again.stderr.count("cached") >= 8


@pytest.fixture(scope="module")
def second(cluster: Cluster, journey: Any) -> str:
    """A version that is the champion and not deployed yet: an edited step, and another threshold."""
    training, splitting = "configs/training.yaml", "tabular/splitting.py"
    with cluster.project.restored(training, splitting):
        cluster.project.edit(training, "false_negative: 2\n", "false_negative: 9\n")
        imported = "    from sklearn.model_selection import train_test_split\n"
        cluster.project.edit(splitting, imported, f'    print("{EDIT}")\n{imported}')
        return str(cluster.json("train", "--stack", "minikube")["promotion"]["version"])


def test_a_changed_step_reaches_a_pod_without_a_new_image(journey: Any, second: str) -> None:
    pod = newest("split_rows")
    assert EDIT in kubectl("logs", pod["metadata"]["name"], "--namespace", MODELS)
    assert image(pod) == image(newest("load_rows"))  # of the journey: that step came from the cache


def image(pod: Any) -> tuple[str, str]:
    """The image of a pod, by name and by content."""
    (container,) = pod["status"]["containerStatuses"]
    return container["image"], container["imageID"]


def test_ctrl_c_in_a_canary_takes_it_back(cluster: Cluster, journey: Any, second: str) -> None:
    """The rollout is at work in a pod, which has to be told."""

    def status() -> Any:
        return cluster.json("status")["endpoints"][0]

    command = ["env", "--default-signal=INT", sys.executable, "run.py", "deploy", *CANARY, "600"]
    where: dict[str, Any] = {"cwd": cluster.project.root, "env": cluster.environment, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **where) as rollout:
        try:
            until(lambda: status()["plan"] is not None or rollout.poll() is not None, seconds=180)
        finally:
            rollout.send_signal(signal.SIGINT)
        assert rollout.wait(timeout=120) == 130
    found = status()
    assert (found["version"], found["plan"]) == (journey["promotion"]["version"], None)
    assert [(version["version"], version["withdrawn"]) for version in found["previous"]] == [(second, True)]


def test_a_canary_and_the_way_back(cluster: Cluster, journey: Any, second: str) -> None:
    first = journey["promotion"]["version"]
    done = cluster.run("deploy", *CANARY, "3", "--json")
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout)["endpoint"]["version"] == second
    share = f"canary: {first} 90 %, {second} 10 %"
    assert re.search(rf"{share}\n.*{second} was not judged, \d+ of the 50 requests came", done.stderr)
    assert cluster.json("rollback")["version"] == first
    assert cluster.json("predict", "--row", json.dumps(journey["endpoint"]["example"]))["version"] == first


def test_down_leaves_no_pod(cluster: Cluster, journey: Any) -> None:
    assert cluster.json("down", "--stack", "minikube")["stopped"] == [NAME]
    assert objects("pods", "tabular-zenml/endpoint") == []


def test_the_other_deployer_serves_the_same(cluster: Cluster, journey: Any) -> None:
    """As docs/endpoints.md says to change it, and with the rights of the account that steps have."""
    file, seldon = "stacks/minikube.yaml", "name: minikube\n      type: model_deployer\n      flavor: tabular_seldon"
    with cluster.project.restored(file):
        cluster.project.edit(file, seldon, seldon.replace("minikube", "plain").replace("seldon", "kubernetes"))
        cluster.json("stack", "apply", "minikube")
        found = cluster.json("deploy", "--stack", "minikube")
        status = cluster.json("status")["endpoints"][0]
        assert (found["endpoint"]["url"], status["backend"]) == (journey["endpoint"]["url"], "kubernetes")
        assert found["prediction"]["probability"] == pytest.approx(journey["prediction"]["probability"], abs=1e-12)
        cluster.json("down")
    cluster.json("stack", "apply", "minikube")
