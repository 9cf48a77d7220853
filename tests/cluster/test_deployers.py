"""Both backends on a real cluster: what they make, leave alone and refuse, and what a request notices of it."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from deployers.kubernetes.store import Store
from deployers.kubernetes.target import Target
from deployers.traffic import Mode, TrafficPlan
from k8s.platform.settings import MODELS, Settings
from project.errors import ProjectError, Refused, Unreachable
from tests.cluster.conftest import kubectl, said_by
from tests.cluster.endpoints import BACKENDS, DASHED, NAME, Trial, copied, objects, read, refuse_left, target_of
from tests.served import until

pytestmark = pytest.mark.cluster
FOREIGN = "tests-foreign"


def test_the_endpoint_answers_on_seldons_path(trial: Trial) -> None:
    status = trial.deployer.status(NAME)
    assert (status.ready, status.serving, status.detail) == (True, "v1", "")
    assert status.endpoint.url.endswith(f"/seldon/{MODELS}/{DASHED}")
    expected = json.loads((trial.made["v1"] / "serving.json").read_bytes())["example"]
    answer = trial.deployer.predict(NAME, expected["row"])
    assert answer["probability"] == pytest.approx(expected["probabilities"][1], abs=1e-6)
    assert trial.deployer.endpoints().count(NAME) == 1
    found, bundle = trial.deployer.bundle(NAME)
    assert (found.current.digest, found.backend) == (bundle.digest, trial.backend)


def test_three_replaces_leave_one_of_ours_and_nothing_foreign_is_touched(trial: Trial) -> None:
    pod = {"spec": {"containers": [{"name": "none", "image": "none"}]}}
    predictor = {"name": "none", "replicas": 0, "graph": {"name": "none", "type": "MODEL"}, "componentSpecs": [pod]}
    template = {"metadata": {"labels": {"app": FOREIGN}}, **pod}
    foreign: list[tuple[str, str, dict[str, object]]] = [
        ("apps/v1", "Deployment", {"replicas": 0, "selector": {"matchLabels": {"app": FOREIGN}}, "template": template}),
        ("machinelearning.seldon.io/v1", "SeldonDeployment", {"predictors": [predictor]}),
    ]
    metadata = {"name": FOREIGN, "namespace": MODELS, "labels": {"app": FOREIGN}}
    for version, kind, spec in foreign:
        made = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        kubectl("apply", "--filename", "-", stdin=json.dumps(made))
    try:
        before = strangers()
        with trial.load() as found:
            for version in ("v2", "v3", "v1"):
                trial.replace(version)
                found.more(50)
        assert strangers() == before
        assert len(before) == len(foreign)
    finally:
        for _, kind, _ in foreign:
            kubectl("delete", kind, FOREIGN, "--namespace", MODELS)
    assert found.failures == found.refused == []
    assert set(found.versions) == {"v1", "v2", "v3"}
    assert len(objects("deployments")) == 1
    assert len(objects("seldondeployments")) == (trial.backend == "seldon")
    until(lambda: trial.versions() == {"v1"})
    assert [version.version for version in trial.deployer.status(NAME).endpoint.previous] == ["v3", "v2"]


def strangers() -> list[tuple[object, ...]]:
    """What of the foreign objects changes when somebody writes to them, and not when their controller says a status."""
    names = (f"deployment/{FOREIGN}", f"seldondeployment/{FOREIGN}")
    found = json.loads(kubectl("get", *names, "--namespace", MODELS, "--output", "json"))["items"]
    of = ("uid", "generation", "labels")
    return [(*(each["metadata"][part] for part in of), each["spec"]) for each in found]


def test_a_rollback_brings_the_version_back_from_the_store(trial: Trial) -> None:
    trial.replace("v2")
    with trial.load() as found:
        assert trial.deployer.rollback(NAME).current.version == "v1"
        found.more(50)
    assert found.failures == found.refused == []
    assert trial.versions() >= {"v1"}


def test_an_object_of_others_is_left_and_named(trial: Trial) -> None:
    trial.deployer.down(NAME)
    stranger = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": DASHED, "namespace": MODELS}}
    kubectl("apply", "--filename", "-", stdin=json.dumps({**stranger, "spec": {"ports": [{"port": 80}]}}))
    try:
        with pytest.raises(Refused, match=f"Service {DASHED} in {MODELS} exists and is not of this endpoint"):
            trial.replace("v1")
        assert read("service", DASHED)["metadata"].get("labels") is None
    finally:
        kubectl("delete", "service", DASHED, "--namespace", MODELS)
    assert objects("deployments") == objects("httproutes") == []


@pytest.mark.parametrize(
    ("changed", "reason", "next_step"),
    [
        pytest.param({"image": "tests/none:1"}, r"(ErrImagePull|ImagePullBackOff)", "make platform-up", id="no image"),
        pytest.param({"keys_secret": "tests-none"}, r"no Secret tests-none", "make platform-up", id="no keys"),
        pytest.param({"service_account": "tests-none"}, r'"tests-none" not found', "kubectl", id="no account"),
    ],
)
def test_a_version_that_does_not_start_says_why_and_the_old_one_answers(
    trial: Trial,
    platform: Settings,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    reason: str,
    next_step: str,
) -> None:
    monkeypatch.setattr("deployers.kubernetes.pods.LINGERING", 10.0)  # a reason at the first look: of an earlier try?
    broken = BACKENDS[trial.backend](target_of(platform, **changed), "tests")
    with trial.load() as found, pytest.raises(ProjectError, match=reason) as refused:
        broken.deploy(trial.made["v2"], "v2", TrafficPlan.replace("v2"))
    assert refused.value.next_step.startswith(next_step)
    assert (found.failures, set(found.versions)) == ([], {"v1"})
    assert trial.deployer.status(NAME).endpoint.current.version == "v1"
    until(lambda: trial.versions() == {"v1"})


def test_a_damaged_bundle_in_the_store_is_refused_by_who_deploys_and_by_the_pod(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = trial.deployer.store()
    trial.replace("v2")
    digest = trial.deployer.status(NAME).endpoint.target
    assert digest is not None
    damage(store, digest.digest)
    with pytest.raises(Refused, match=r"model\.onnx does not match its sha256"):
        trial.deployer.rollback(NAME)

    def damaged(self: Store, bundle: object) -> None:
        damage(self, trial.deployer.status(NAME).endpoint.previous[0].digest)

    monkeypatch.setattr(Store, "put", damaged)  # it was damaged after the upload
    with pytest.raises(Refused, match=r"pod .* ended with 3: bundle s3://.*model\.onnx does not match"):
        trial.replace("v1")
    monkeypatch.undo()
    assert trial.deployer.status(NAME).serving == "v2"
    trial.replace("v1")  # the upload sees the damage and makes it good
    assert trial.deployer.status(NAME).serving == "v1"


def damage(store: Store, digest: str) -> None:
    """Overwrite a bundle's model."""
    store.client().put_object(**store.place(digest, "model.onnx"), Body=b"no model")


def test_a_store_that_does_not_answer_is_tried_again_and_named(
    trial: Trial, platform: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployers.kubernetes.store.TRIES", 2)  # how often: tests/integration/test_bundle_store.py
    down = BACKENDS[trial.backend](target_of(platform, s3_endpoint="http://127.0.0.1:9"), "tests")
    with pytest.raises(Unreachable, match=r"bundles can not be kept at s3://.*Could not connect"):
        down.deploy(trial.made["v2"], "v2", TrafficPlan.replace("v2"))
    assert trial.deployer.status(NAME).serving == "v1"
    trial.replace("v2")
    assert trial.deployer.status(NAME).serving == "v2"


def test_a_bundle_that_is_damaged_here_is_never_uploaded(trial: Trial, tmp_path: Path) -> None:
    folder = copied(trial.made["v2"], tmp_path / "damaged")
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(Refused, match=r"model\.onnx does not match its sha256"):
        trial.deployer.deploy(folder, "v2", TrafficPlan.replace("v2"))


def test_of_two_deploys_at_once_one_wins_and_one_says_why(trial: Trial) -> None:
    said: list[str] = []

    def deploy(version: str) -> None:
        try:
            trial.replace(version)
            said.append(version)
        except Refused as error:
            said.append(error.cause)

    threads = [threading.Thread(target=deploy, args=(version,)) for version in ("v2", "v3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [each for each in said if each in ("v2", "v3")]
    (loser,) = [each for each in said if each != winner]
    assert f"process {os.getpid()} on" in loser or "another process began at the same moment" in loser
    assert trial.deployer.status(NAME).serving == winner


@pytest.fixture
def operated(trial: Trial) -> Trial:
    """The endpoint, where an operator makes its pods."""
    if trial.backend != "seldon":
        pytest.skip("no operator is needed")
    return trial


def test_an_operator_that_does_nothing_is_named_and_the_old_version_answers(
    operated: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployers.kubernetes.pods.UNMADE", 10.0)
    label = ("label", "seldondeployment", DASHED, "--namespace", MODELS)
    kubectl(*label, "seldon.io/controller-id=nobody")  # this operator now leaves it alone, as one that is down does
    try:
        with operated.load() as found, pytest.raises(Unreachable, match="nobody made its Deployment in 10 s"):
            operated.replace("v2")
    finally:
        kubectl(*label, "seldon.io/controller-id-")
    assert (found.failures, found.refused, set(found.versions)) == ([], [], {"v1"})
    operated.replace("v2")
    assert operated.deployer.status(NAME).serving == "v2"


def test_an_operator_that_is_away_and_has_to_be_asked_is_named_and_the_old_version_answers(
    operated: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its released chart lets it check what is written: then nothing can be, while it is down."""
    monkeypatch.setattr("deployers.kubernetes.cluster.AWAY", 1.0)
    rule = {"apiGroups": ["machinelearning.seldon.io"], "apiVersions": ["*"], "resources": ["seldondeployments"]}
    webhook = {
        "name": "tests.seldon.io",
        "clientConfig": {"service": {"name": "tests-none", "namespace": MODELS, "path": "/validate"}},
        "rules": [{**rule, "operations": ["CREATE", "UPDATE"]}],
        "objectSelector": {"matchLabels": {"tabular-zenml/endpoint": DASHED}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind, metadata = "ValidatingWebhookConfiguration", {"name": "tests-nobody-answers"}
    asks = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "webhooks": [webhook]}
    kubectl("apply", "--filename", "-", stdin=json.dumps(asks))
    write = ("kubectl", "annotate", "seldondeployment", DASHED, "--namespace", MODELS, "tests=1", "--dry-run=server")
    try:
        until(lambda: said_by(*write).returncode != 0)
        with operated.load() as found, pytest.raises(Unreachable, match=r"can not apply SeldonDeployment .* webhook"):
            operated.replace("v2")
    finally:
        kubectl("delete", kind, metadata["name"])
    assert (found.failures, found.refused) == ([], [])
    operated.replace("v3")
    assert operated.deployer.status(NAME).serving == "v3"


def test_the_serving_version_on_an_image_that_is_not_there_is_refused_and_answers_on_the_old_one(
    trial: Trial, platform: Settings
) -> None:
    """Its pods are there and well until the operator has followed."""
    edited = BACKENDS[trial.backend](target_of(platform, image="tests/none:1"), "tests")
    with trial.load() as found:
        with pytest.raises(Refused, match=r"(ErrImagePull|ImagePullBackOff)"):
            edited.deploy(trial.made["v1"], "v1", TrafficPlan.replace("v1"))
        found.more(50)
    assert (found.failures, found.refused, set(found.versions)) == ([], [], {"v1"})


def test_the_way_back_from_a_canary_needs_neither_store_nor_image(trial: Trial, platform: Settings) -> None:
    trial.deployer.deploy(trial.made["v2"], "v2", TrafficPlan(Mode.CANARY, {"v1": 90, "v2": 10}))
    example = trial.deployer.status(NAME).endpoint.example
    without = target_of(platform, image="tests/none:1", s3_endpoint="http://127.0.0.1:9")
    with trial.load() as found:
        back = BACKENDS[trial.backend](without, "tests").rollback(NAME)
        found.more(50)
    assert found.failures == found.refused == []
    assert (back.current.version, back.plan, back.example) == ("v1", None, example)
    until(lambda: trial.versions() == {"v1"})


def test_what_somebody_deleted_by_hand_is_in_nobody_s_way(trial: Trial) -> None:
    kinds, ours = "seldondeployments,deployments,services", f"tabular-zenml/endpoint={DASHED}"
    kubectl("delete", kinds, "--selector", ours, "--namespace", MODELS)
    trial.replace("v2")
    assert trial.deployer.status(NAME).serving == "v2"


def test_down_leaves_nothing(trial: Trial, platform: Settings) -> None:
    """Not even by the other deployer, which leaves it alone otherwise."""
    (backend,) = set(BACKENDS) - {trial.backend}
    other = BACKENDS[backend](target_of(platform), "tests")
    refused = f"{NAME} is served by the deployer tabular_{trial.backend}, and this one is tabular_{backend}"
    with pytest.raises(Refused, match=refused):
        other.check(NAME)
    with pytest.raises(Refused, match=refused):
        other.deploy(trial.made["v2"], "v2", TrafficPlan.replace("v2"))
    assert trial.deployer.status(NAME).serving == "v1"
    assert other.down(NAME)
    refuse_left()
    assert not trial.deployer.down(NAME)
    with pytest.raises(Unreachable, match=f"there is no endpoint '{NAME}'"):
        trial.deployer.status(NAME)


def test_what_is_missing_is_said_before_a_training_run(platform: Settings) -> None:
    missing = BACKENDS["kubernetes"](target_of(platform, gateway="tests-none"), "tests")
    with pytest.raises(Unreachable, match=f"namespace {MODELS} has no Gateway tests-none"):
        missing.check(NAME)
    nowhere = BACKENDS["kubernetes"](
        Target(url="http://none.example", bundles="s3://b/x", kubernetes_context="tests-none"), "tests"
    )
    with pytest.raises(Unreachable, match="no Kubernetes context tests-none"):
        nowhere.check(NAME)
