"""The local backend with real processes: what a user sees when things go well, and when they do not."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployers import Mode, TrafficPlan
from deployers.local import LocalDeployer, process
from deployers.record import RECORD
from project.errors import ConfigError, ProjectError, Refused, Unreachable
from project.paths import ROOT
from tabular.bundle import digest_of, sha256
from tests.served import free_port, served, until
from tests.serving_bundle import ROW, flower_bundle, heart_bundle

NAME = "heart_disease"
HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles by version: four models of the same data."""
    folder = tmp_path_factory.mktemp("bundles")
    for version, strength in (("1", 1.0), ("2", 0.01), ("3", 0.1), ("4", 0.001)):
        heart_bundle(folder / version, strength=strength)
    flower_bundle(folder / "flowers")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def deployer(tmp_path: Path) -> Iterator[LocalDeployer]:
    deployer = LocalDeployer(tmp_path / "endpoints", port=free_port())
    yield deployer
    for folder in (tmp_path / "endpoints").glob("*/"):
        process.stop(folder)
    assert servers(tmp_path) == []


def deploy(deployer: LocalDeployer, made: dict[str, Path], version: str) -> Any:
    return deployer.deploy(made[version], version, TrafficPlan.replace(version))


def servers(below: Path) -> list[int]:
    """Processes that serve a folder below this one."""
    found = []
    for each in psutil.process_iter(["cmdline"]):
        line = each.info["cmdline"] or []
        if line[2:3] in (["serving"], ["serving.worker"]) and str(below) in line[4]:
            found.append(each.pid)
    return found


def answer(port: int, path: str = "/predict", body: object = ROW) -> dict[str, Any]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        method = "GET" if body is None else "POST"
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        value: dict[str, Any] = json.loads(response.read())
        return {"status_code": response.status, **value}
    finally:
        connection.close()


def supervisor(deployer: LocalDeployer) -> process.Server:
    server = process.running(deployer.directory / NAME)
    assert server is not None
    return server


@contextmanager
def load(port: int) -> Iterator[list[str]]:
    """Ask without pause, on one kept connection and on fresh ones; yields what went wrong."""
    failures: list[str] = []
    seen: set[str] = set()
    stop = threading.Event()

    def ask(connection: http.client.HTTPConnection) -> None:
        connection.request("POST", "/predict", json.dumps(ROW), {"Content-Type": "application/json"})
        response = connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK:
            failures.append(f"{response.status} {body!r}")
        seen.add(json.loads(body)["version"])

    def kept() -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        while not stop.is_set():
            try:
                ask(connection)
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"kept: {error!r}")
                connection.close()
        connection.close()

    def fresh() -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            try:
                ask(connection)
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"fresh: {error!r}")
            connection.close()

    threads = [threading.Thread(target=target) for target in (kept, fresh)]
    for thread in threads:
        thread.start()
    try:
        yield failures
        failures.extend([] if len(seen) > 1 else [f"only versions {seen} were seen"])
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_first_deployment_serves_and_is_recorded(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    endpoint = deploy(deployer, made, "1")
    manifest = json.loads((made["1"] / "manifest.json").read_bytes())
    example = json.loads((made["1"] / "serving.json").read_bytes())["example"]
    assert endpoint.url == f"http://{HOST}:{deployer.port}"
    assert (endpoint.current.version, endpoint.current.digest) == ("1", manifest["digest"])
    assert (endpoint.previous, endpoint.example) == ((), example["row"])
    predicted = answer(deployer.port)
    assert predicted["version"] == "1"
    assert predicted["probability"] == pytest.approx(example["probabilities"][1], abs=1e-6)
    record = json.loads((deployer.directory / NAME / RECORD).read_bytes())
    server = psutil.Process(record["pid"])
    assert (record["port"], record["pid_started"]) == (deployer.port, server.create_time())
    status = deployer.status(NAME)
    assert (status.ready, status.serving, status.detail, status.endpoint) == (True, "1", "", endpoint)
    assert list(status.workers) == [child.pid for child in server.children()]


def test_the_bundle_may_vanish_once_it_is_deployed(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    source = shutil.copytree(made["1"], tmp_path / "source")
    deployer.deploy(source, "1", TrafficPlan.replace("1"))
    shutil.rmtree(source)
    os.kill(deployer.status(NAME).workers[0], signal.SIGKILL)
    assert answer(deployer.port)["version"] == "1"


def test_replacing_and_going_back_fail_no_request(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    url = deploy(deployer, made, "1").url
    before = deployer.status(NAME).workers
    with load(deployer.port) as failures:
        for version in ("2", "3", "4"):
            assert deploy(deployer, made, version).url == url
            assert answer(deployer.port)["version"] == version
        deployer.rollback(NAME)
        assert answer(deployer.port)["version"] == "3"
    assert failures == []
    assert deployer.status(NAME).workers == before


def test_rollbacks_go_further_back_and_can_be_undone(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    for version in ("1", "2", "3", "4"):
        deploy(deployer, made, version)
    kept = deployer.directory / NAME / "bundles"
    assert len(list(kept.iterdir())) == 3
    back = [deployer.rollback(NAME).current.version for _ in range(2)]
    assert back == ["3", "2"]
    with pytest.raises(Refused) as caught:
        deployer.rollback(NAME)
    assert caught.value.cause == f"{NAME} serves version 2: no earlier version; kept: 3, 4"
    again = deployer.rollback(NAME, to="4")
    assert (again.current.version, [v.version for v in again.previous]) == ("4", ["2", "3"])
    assert again.target is not None
    assert again.target.version == "2"
    assert answer(deployer.port)["version"] == "4"
    with pytest.raises(Refused, match="version 1 is not kept; kept: 2, 3"):
        deployer.rollback(NAME, to="1")


def test_deploying_the_same_again_changes_nothing(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    first = deploy(deployer, made, "2")
    assert deploy(deployer, made, "2") == first


def test_a_killed_worker_is_replaced(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    (worker,) = deployer.status(NAME).workers
    os.kill(worker, signal.SIGKILL)
    # The socket is the supervisor's: this request waits in its queue until the next worker is up.
    assert answer(deployer.port)["version"] == "1"
    until(lambda: deployer.status(NAME).workers not in ((), (worker,)))
    assert not (deployer.directory / NAME / "workers" / f"{worker}.json").exists()


def test_a_worker_that_starts_during_a_change_follows_it(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    os.kill(deployer.status(NAME).workers[0], signal.SIGKILL)
    assert deploy(deployer, made, "2").current.version == "2"
    assert answer(deployer.port)["version"] == "2"


def test_a_killed_supervisor_is_noticed_and_replaced_at_the_same_url(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    url = deploy(deployer, made, "1").url
    server = supervisor(deployer)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: servers(tmp_path) == [])
    status = deployer.status(NAME)
    assert (status.ready, status.workers) == (False, ())
    assert status.detail == f"its server, process {server.pid}, is gone; python run.py deploy starts it again"
    elsewhere = dataclasses.replace(deployer, port=free_port())
    assert deploy(elsewhere, made, "2").url == url
    assert answer(deployer.port)["version"] == "2"


def test_a_rollback_starts_a_server_that_is_gone(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    deploy(deployer, made, "2")
    killed = psutil.Process(supervisor(deployer).pid)
    killed.kill()
    killed.wait(10)  # a signal is not yet a death
    assert deployer.rollback(NAME).current.version == "1"
    assert answer(deployer.port)["version"] == "1"


def test_a_server_whose_files_were_deleted_is_replaced(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    deploy(deployer, made, "1")
    shutil.rmtree(deployer.directory)
    assert deploy(deployer, made, "2").url == f"http://{HOST}:{deployer.port}"
    assert len(servers(tmp_path)) == 2


def damaged(source: Path, folder: Path) -> Path:
    copy = shutil.copytree(source, folder)
    data = bytearray((copy / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model.onnx").write_bytes(data)
    return copy


def test_a_damaged_bundle_is_refused_and_the_old_version_serves(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    before = deploy(deployer, made, "1")
    with pytest.raises(Refused, match=r"model\.onnx does not match its sha256"):
        deployer.deploy(damaged(made["2"], tmp_path / "d"), "2", TrafficPlan.replace("2"))
    assert deployer.status(NAME).endpoint == before
    assert answer(deployer.port)["version"] == "1"


def test_a_kept_bundle_damaged_on_disk_is_refused_by_a_rollback(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    digest = deploy(deployer, made, "1").current.digest
    before = deploy(deployer, made, "2")
    (deployer.directory / NAME / "bundles" / digest[:12] / "model.onnx").write_bytes(b"x")
    with pytest.raises(Refused, match=r"model\.onnx does not match"):
        deployer.rollback(NAME)
    assert deployer.status(NAME).endpoint == before
    assert answer(deployer.port)["version"] == "2"


def lying(source: Path, folder: Path) -> Path:
    """A bundle, correctly signed, whose example is not what its model says."""
    copy = shutil.copytree(source, folder)
    serving = json.loads((copy / "serving.json").read_bytes())
    serving["example"]["probabilities"] = [0.5, 0.5]
    (copy / "serving.json").write_text(json.dumps(serving))
    manifest = json.loads((copy / "manifest.json").read_bytes())
    manifest["files"]["serving.json"] = sha256((copy / "serving.json").read_bytes())
    manifest["digest"] = digest_of(manifest["files"])
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_a_model_that_misses_its_own_example_never_takes_traffic(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    before = deploy(deployer, made, "1")
    with pytest.raises(Refused, match="the model misses its own example"):
        deployer.deploy(lying(made["2"], tmp_path / "lying"), "2", TrafficPlan.replace("2"))
    assert answer(deployer.port)["version"] == "1"
    assert deployer.status(NAME).endpoint == before
    traffic = json.loads((deployer.directory / NAME / "traffic.json").read_bytes())
    assert (traffic["plan"]["weights"], traffic["generation"]) == ({"1": 100.0}, 3)


def test_a_first_deployment_that_is_refused_leaves_no_process(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="the model misses its own example"):
        deployer.deploy(lying(made["2"], tmp_path / "lying"), "2", TrafficPlan.replace("2"))
    assert servers(tmp_path) == []
    assert deployer.endpoints() == []
    assert deploy(deployer, made, "1").current.version == "1"


@pytest.mark.parametrize(
    "fault", [Refused("smoke failed", "look"), KeyboardInterrupt(), OSError(28, "No space left on device")]
)
def test_whatever_ends_a_change_the_old_version_serves(
    deployer: LocalDeployer, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, fault: BaseException
) -> None:
    before = deploy(deployer, made, "1")

    def fail(*_: object) -> None:
        assert answer(deployer.port)["version"] == "2"
        raise fault

    monkeypatch.setattr("deployers.client.smoke", fail)
    expected = ProjectError if isinstance(fault, OSError) else type(fault)
    with pytest.raises(expected):
        deploy(deployer, made, "2")
    assert answer(deployer.port)["version"] == "1"
    assert deployer.status(NAME).endpoint == before


def test_a_read_only_disk_is_said_in_one_line(
    deployer: LocalDeployer, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deploy(deployer, made, "1")

    def refuse(path: Path, *_: object) -> int:
        raise OSError(30, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", refuse)
        with pytest.raises(ProjectError) as caught:
            deploy(deployer, made, "2")
    assert caught.value.cause.endswith("can not be written: Read-only file system")
    assert [path.name for path in (deployer.directory / NAME / "bundles").iterdir()] == [before.current.digest[:12]]
    assert answer(deployer.port)["version"] == "1"


def test_a_port_held_by_a_stranger(deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path) -> None:
    with socket.socket() as stranger:
        stranger.bind((HOST, deployer.port))
        stranger.listen()
        with pytest.raises(Unreachable) as caught:
            deploy(deployer, made, "1")
    assert caught.value.cause.startswith(f"port {deployer.port} is held by process {os.getpid()} (")
    assert servers(tmp_path) == []
    assert deploy(deployer, made, "1").url.endswith(str(deployer.port))


def test_a_second_endpoint_takes_the_next_port(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    flowers = deployer.deploy(made["flowers"], "1", TrafficPlan.replace("1"))
    assert flowers.name == "flowers"
    assert int(flowers.url.rsplit(":", 1)[1]) > deployer.port
    assert deployer.endpoints() == ["flowers", NAME]
    predicted = answer(int(flowers.url.rsplit(":", 1)[1]), body={"wild": True, "petals": 5, "stem length": 10})
    assert predicted["label"] == "daisy"


def test_two_deployments_at_once(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    code = (
        "import sys; from pathlib import Path; from deployers.local.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'deploy heart_disease'): print('held', flush=True); sys.stdin.read()"
    )
    lock = deployer.directory / NAME / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for change in (
            lambda: deploy(deployer, made, "2"),
            lambda: deployer.rollback(NAME),
            lambda: deployer.down(NAME),
        ):
            with pytest.raises(Refused, match=f"process {other.pid} \\(deploy heart_disease, since"):
                change()
        assert deployer.status(NAME).ready
        other.communicate(b"")
    assert deploy(deployer, made, "2").current.version == "2"


def test_down_leaves_no_process_and_can_be_said_twice(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    deploy(deployer, made, "1")
    assert deployer.down(NAME) is True
    assert servers(tmp_path) == []
    assert deployer.endpoints() == []
    with pytest.raises(Unreachable, match="there is no endpoint 'heart_disease'"):
        deployer.status(NAME)
    assert deployer.down(NAME) is False
    assert deployer.down("never_deployed") is False
    assert not (deployer.directory / "never_deployed").exists()
    logs = {".requests.jsonl.lock", ".server.lock", "lock", "requests.jsonl", "server.log"}
    sampled = {".samples.jsonl.lock", "samples.jsonl"}  # one request in a hundred is kept, and may be this one's
    assert logs <= {path.name for path in (deployer.directory / NAME).iterdir()} <= logs | sampled


def test_what_the_server_noted_of_its_plans_ends_with_the_endpoint(
    deployer: LocalDeployer, made: dict[str, Path]
) -> None:
    """Generations begin again at one, so that an old note would be taken for one of the new plans."""
    deploy(deployer, made, "1")
    (deployer.directory / NAME / "tripped.json").write_text(json.dumps({"generation": 2, "withdrawn": {"2": "slow"}}))
    deployer.down(NAME)
    deploy(deployer, made, "1")
    deployer.deploy(made["2"], "2", TrafficPlan(Mode.CANARY, {"1": 50, "2": 50}))
    assert deployer.status(NAME).breaches == {}


def test_another_contract_needs_the_endpoint_taken_down_first(
    deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path
) -> None:
    other = shutil.copytree(made["2"], tmp_path / "other")
    contract = json.loads((other / "contract.json").read_bytes())
    contract["features"][4]["unit"] = "mmol/l"
    (other / "contract.json").write_text(json.dumps(contract))
    stated = json.loads((other / "manifest.json").read_bytes())
    files = {name: sha256((other / name).read_bytes()) for name in stated["files"]}
    manifest = {**stated, "files": files, "digest": digest_of(files)}
    (other / "manifest.json").write_text(json.dumps(manifest))
    deploy(deployer, made, "1")
    with pytest.raises(Refused) as caught:
        deployer.deploy(other, "2", TrafficPlan.replace("2"))
    assert "the unit of 'chol' is 'mmol/l', not 'mg/dl'; to serve it take the endpoint down first" in caught.value.cause
    assert answer(deployer.port)["version"] == "1"
    deployer.down(NAME)
    deployer.deploy(other, "2", TrafficPlan.replace("2"))
    assert answer(deployer.port)["version"] == "2"


def test_down_answers_the_request_it_is_at(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    connection = http.client.HTTPConnection(HOST, deployer.port, timeout=10)
    connection.putrequest("POST", "/predict")
    body = json.dumps(ROW).encode()
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:10])
    stopping = threading.Thread(target=deployer.down, args=(NAME,))
    time.sleep(0.2)
    stopping.start()
    time.sleep(0.3)
    connection.send(body[10:])
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["version"]) == (200, "1")
    stopping.join()
    connection.close()


def test_down_copes_with_a_damaged_record(deployer: LocalDeployer, made: dict[str, Path], tmp_path: Path) -> None:
    deploy(deployer, made, "1")
    (deployer.directory / NAME / RECORD).write_text("{")
    with pytest.raises(ProjectError, match="is damaged"):
        deployer.status(NAME)
    assert deployer.down(NAME) is True
    assert servers(tmp_path) == []


def test_a_model_of_a_registry_that_began_again(deployer: LocalDeployer, made: dict[str, Path]) -> None:
    deploy(deployer, made, "1")
    endpoint = deployer.deploy(made["2"], "1", TrafficPlan.replace("1"))
    assert endpoint.previous == ()
    assert answer(deployer.port)["probability"] == pytest.approx(
        json.loads((made["2"] / "serving.json").read_bytes())["example"]["probabilities"][1], abs=1e-6
    )


@pytest.mark.parametrize(
    ("plan", "cause"),
    [
        (
            TrafficPlan(Mode.CANARY, {"1": 90, "2": 10}),
            "the traffic plan is for 1 beside 2, but nothing serves",
        ),
        (TrafficPlan.replace("1"), "the traffic plan names 1, not the version 2 it is for"),
    ],
)
def test_a_plan_it_can_not_render(
    deployer: LocalDeployer, made: dict[str, Path], plan: TrafficPlan, cause: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        deployer.deploy(made["2"], "2", plan)
    assert caught.value.cause == cause


def test_the_server_gets_no_credentials_of_ours(
    deployer: LocalDeployer, made: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    deploy(deployer, made, "1")
    for pid in (supervisor(deployer).pid, *deployer.status(NAME).workers):
        assert "AWS_SECRET_ACCESS_KEY" not in psutil.Process(pid).environ()


def test_two_workers_follow_together_and_count_together(made: dict[str, Path], tmp_path: Path) -> None:
    counted = b'predictions_total{model="heart_disease",version="1",label="no disease"} 20'
    with served(tmp_path / "pair", bundles={"1": made["1"]}, workers=2) as server:
        for _ in range(20):
            assert server.ask(body=ROW).json["version"] == "1"
        server.process.send_signal(signal.SIGHUP)
        until(lambda: all(counted in server.ask("/metrics").body for _ in range(5)))
    assert server.process.returncode == 0
    assert list((tmp_path / "pair" / "workers").glob("*.json")) == []
