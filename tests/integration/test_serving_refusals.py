"""A traffic plan that is refused: what served before serves on, whatever dies or starts meanwhile."""

from __future__ import annotations

import http.client
import json
import select
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tabular.bundle import digest_of, sha256
from tests.served import HOST, PATIENCE, REFERENCE, Served, served, until
from tests.serving_bundle import PENGUIN, ROW, heart_bundle, penguin_bundle

CANARY = {"errors": 0.0, "slow_seconds": 0.0, "slow": 0.0, "requests": 3}
"""Any request of a challenger breaks this."""


def changed(target: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """A copy of the reference bundle whose contract and `serving.json` are others, in agreement with its manifest."""
    shutil.copytree(REFERENCE, target)
    documents = {name: json.loads((target / name).read_bytes()) for name in ("contract.json", "serving.json")}
    change(*documents.values())
    for name, document in documents.items():
        (target / name).write_text(json.dumps(document))
    manifest = json.loads((target / "manifest.json").read_bytes())
    files = {name: sha256((target / name).read_bytes()) for name in manifest["files"]}
    (target / "manifest.json").write_text(json.dumps({**manifest, "files": files, "digest": digest_of(files)}))
    return target


def renamed(contract: dict[str, Any], serving: dict[str, Any]) -> None:
    feature = next(each for each in contract["features"] if each["name"] == "chol")
    feature["name"] = "cholesterol"
    row = serving["example"]["row"]
    row["cholesterol"] = row.pop("chol")


def in_another_unit(contract: dict[str, Any], serving: dict[str, Any]) -> None:
    next(each for each in contract["features"] if each["name"] == "chol")["unit"] = "mmol/l"


def of_other_classes(contract: dict[str, Any], serving: dict[str, Any]) -> None:
    contract["classes"] = ["healthy", "ill"]


def of_a_wider_range(contract: dict[str, Any], serving: dict[str, Any]) -> None:
    next(each for each in contract["features"] if each["name"] == "age")["maximum"] = 130


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1 and v2 of one contract, and one whose model is damaged."""
    folder = tmp_path_factory.mktemp("made")
    for version, strength in (("v1", 1.0), ("v2", 0.01)):
        heart_bundle(folder / version, strength=strength)
    damaged = shutil.copytree(folder / "v1", folder / "damaged")
    (damaged / "model.onnx").write_bytes(b"\0")
    return folder


@pytest.fixture
def bundles(tmp_path: Path, made: Path) -> dict[str, Path]:
    """Copies of them for one test."""
    return {name: shutil.copytree(made / name, tmp_path / name) for name in ("v1", "v2", "damaged")}


@pytest.fixture
def pair(tmp_path: Path, bundles: dict[str, Path]) -> Iterator[Served]:
    """A server with two workers; v1 answers."""
    with served(tmp_path / "endpoint", bundles=bundles, workers=2) as server:
        yield server


def answers(server: Served, requests: int = 30) -> set[tuple[int, str]]:
    """Status and version of so many requests, each on a connection of its own."""
    found = [server.ask(body=ROW) for _ in range(requests)]
    return {(each.status, each.headers.get("x-model-version", "none")) for each in found}


def serving(server: Served) -> set[int]:
    """The workers that have a model."""
    return {each["pid"] for each in server.acknowledged() if each["version"]}


def kill_a_worker(server: Served) -> None:
    """Kill one, and wait until another took its place and has said what it serves."""
    victim, *_ = server.workers()
    victim.kill()
    until(lambda: victim.pid not in {each["pid"] for each in server.acknowledged()} and len(server.acknowledged()) == 2)


def test_a_worker_that_starts_after_a_refused_plan_takes_the_one_before(pair: Served) -> None:
    pair.plan("replace", {"damaged": 100})
    for _ in range(2):
        kill_a_worker(pair)
        assert answers(pair) == {(200, "v1")}
    said = pair.acknowledged()
    assert {(each["generation"], each["version"]) for each in said} == {(2, "v1")}
    assert all("model.onnx does not match its sha256" in each["error"] for each in said)
    pair.plan("replace", {"v2": 100})
    assert answers(pair, 5) == {(200, "v2")}


def test_a_server_that_starts_after_a_refused_plan_takes_the_one_before(
    tmp_path: Path, bundles: dict[str, Path]
) -> None:
    with served(tmp_path / "endpoint", bundles=bundles) as server:
        server.plan("replace", {"v2": 100})
        server.plan("replace", {"damaged": 100})
    with served(tmp_path / "endpoint", bundles={}) as server:
        assert answers(server, 5) == {(200, "v2")}
        assert "damaged" in server.acknowledged()[0]["error"]


def test_a_worker_that_can_load_nothing_leaves_the_requests_to_those_that_can(
    pair: Served, bundles: dict[str, Path]
) -> None:
    (bundles["v1"] / "model.onnx").write_bytes(b"\0")
    kill_a_worker(pair)
    assert sorted(str(each["version"]) for each in pair.acknowledged()) == ["None", "v1"]
    (able,) = [worker for worker in pair.workers() if worker.pid in serving(pair)]
    able.suspend()
    connection = http.client.HTTPConnection(HOST, pair.port, timeout=PATIENCE)
    connection.request("POST", "/predict", json.dumps(ROW), {"content-type": "application/json"})
    select.select([connection.sock], [], [], 1)  # time enough for the other one to refuse it
    able.resume()
    assert connection.getresponse().status == 200
    connection.close()
    pair.plan("replace", {"v2": 100})
    assert [each["version"] for each in pair.acknowledged()] == ["v2", "v2"]
    kill_a_worker(pair)
    assert answers(pair) == {(200, "v2")}


def without_codes(contract: dict[str, Any], serving: dict[str, Any]) -> None:
    next(each for each in contract["features"] if each["name"] == "cp").update(codes=[], labels=[])


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        pytest.param({"mode": "ab", "sticky": 5}, "Expected `str`, got `int`", id="a header that is none"),
        pytest.param(
            {"mode": "canary", "guard": {**CANARY, "slow": "x"}},
            "Expected `float`, got `str` - at `$.slow`",
            id="no bound",
        ),
        pytest.param({"mode": "canary", "weights": {"v1": 100, "v2": -1}}, "no plan of this server", id="negative"),
        pytest.param({"mode": "canary", "weights": {"v1": 1, "v2": 1e999}}, "no plan of this server", id="infinite"),
        pytest.param({"mode": "replace", "weights": {"odd": 100}}, "can not be followed: IndexError", id="odd bundle"),
    ],
)
def test_a_plan_with_anything_in_it_is_refused(pair: Served, tmp_path: Path, plan: dict[str, Any], says: str) -> None:
    pair.bundles["odd"] = changed(tmp_path / "odd", without_codes)
    pair.plan(**{"weights": {"v1": 50, "v2": 50}, **plan})
    assert [says in each["error"] for each in pair.acknowledged()] == [True, True], pair.acknowledged()
    assert answers(pair) == {(200, "v1")}
    pair.plan("replace", {"v2": 100})
    assert answers(pair, 5) == {(200, "v2")}


def test_a_challenger_is_withdrawn_also_while_a_later_plan_is_refused(tmp_path: Path, bundles: dict[str, Path]) -> None:
    with served(tmp_path / "endpoint", bundles=bundles) as server:
        server.plan("canary", {"v1": 50, "v2": 50}, guard=CANARY)
        server.plan("replace", {"damaged": 100})
        answers(server, 40)
        until(lambda: server.acknowledged()[0]["withdrawn"])
        assert answers(server) == {(200, "v1")}
        (worker,) = server.workers()
        worker.kill()
        assert answers(server) == {(200, "v1")}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(renamed, "its feature 5 is 'cholesterol', not 'chol'", id="a renamed column"),
        pytest.param(in_another_unit, "the unit of 'chol' is 'mmol/l', not 'mg/dl'", id="another unit"),
        pytest.param(of_other_classes, "its classes are ['healthy', 'ill'], not ['no disease', 'disease']", id="class"),
        pytest.param(None, "its name is 'penguins', not 'heart_disease'", id="another model"),
    ],
)
def test_a_bundle_of_another_contract_is_refused(
    pair: Served, tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None] | None, says: str
) -> None:
    if change is None:
        penguin_bundle(tmp_path / "other")
    else:
        changed(tmp_path / "other", change)
    pair.bundles["other"] = tmp_path / "other"
    for mode, weights in (
        ("replace", {"other": 100}),
        ("canary", {"v1": 50, "other": 50}),
        ("shadow", {"v1": 100, "other": 0}),
    ):
        pair.plan(mode, weights)
        reason = f"version other is of another contract than version v1, which clients know: {says}; to serve it"
        assert [reason in each["error"] for each in pair.acknowledged()] == [True, True], pair.acknowledged()
    kill_a_worker(pair)
    assert answers(pair) == {(200, "v1")}


def test_a_bundle_that_takes_other_values_is_accepted_and_so_is_the_way_back(pair: Served, tmp_path: Path) -> None:
    pair.bundles["wider"] = changed(tmp_path / "wider", of_a_wider_range)
    old = {**ROW, "age": 125}
    for version, status in (("wider", 200), ("v1", 422)):
        pair.plan("replace", {version: 100})
        assert [each["error"] for each in pair.acknowledged()] == ["", ""]
        assert pair.ask(body=old).status == status


def test_an_endpoint_takes_another_contract_once_the_accepted_plan_is_deleted(tmp_path: Path) -> None:
    penguin_bundle(tmp_path / "birds")
    with served(tmp_path / "endpoint") as server:
        server.bundles["birds"] = tmp_path / "birds"
        server.plan("replace", {"birds": 100})
    with served(tmp_path / "endpoint", bundles={}) as server:
        assert answers(server, 3) == {(200, "1")}
    (tmp_path / "endpoint" / "accepted.json").unlink()
    with served(tmp_path / "endpoint", bundles={}) as server:
        assert server.ask(body=PENGUIN).json["model"] == "penguins"


def test_a_server_that_is_given_a_bundle_serves_none_before_it(tmp_path: Path, bundles: dict[str, Path]) -> None:
    with served(tmp_path / "endpoint", bundles=bundles):
        pass
    unproven = changed(tmp_path / "unproven", lambda _, serving: serving["example"].update(probabilities=[0, 1]))
    with served(tmp_path / "endpoint", "--bundle", str(unproven), bundles={}) as server:
        assert server.ask("/health/ready").status == 503
        assert "misses its own example" in server.acknowledged()[0]["error"]
        server.process.send_signal(signal.SIGHUP)
        assert server.ask(body=ROW).status == 503
