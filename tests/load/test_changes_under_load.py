"""What must not fail a request while requests come: other versions, bad bundles, a stop, and the death of a worker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broken_bundles import signed
from tests.load.load import load
from tests.served import Served, served, until
from tests.serving_bundle import ROW, flower_bundle, heart_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of three models."""
    folder = tmp_path_factory.mktemp("bundles")
    for version, strength in (("v1", 1.0), ("v2", 0.01), ("v3", 0.1)):
        heart_bundle(folder / version, strength=strength)
    return {path.name: path for path in sorted(folder.iterdir())}


@pytest.fixture
def pair(tmp_path: Path, made: dict[str, Path]) -> Iterator[Served]:
    """A server with two workers; v1 answers."""
    with served(tmp_path / "endpoint", bundles=made, workers=2) as server:
        yield server


def test_every_mode_and_the_way_back(pair: Served) -> None:
    """Reload, canary, A/B, shadow, blue-green and rollback, each followed by both workers."""
    with load(pair.port) as found:
        for mode, weights in (
            ("replace", {"v2": 100}),
            ("canary", {"v2": 90, "v1": 10}),
            ("canary", {"v2": 50, "v1": 50}),
            ("replace", {"v1": 100}),
            ("ab", {"v1": 50, "v3": 50}),
            ("shadow", {"v1": 100, "v2": 0}),
            ("blue-green", {"v1": 100, "v3": 0}),
            ("blue-green", {"v1": 0, "v3": 100}),
            ("replace", {"v1": 100}),
        ):
            pair.plan(mode, weights)
            assert [each["error"] for each in pair.acknowledged()] == ["", ""]
            found.more()
            answering = [version for version, weight in weights.items() if weight]
            if len(answering) == 1:
                before = found.versions.copy()
                found.more()
                assert set(found.versions - before) == set(answering)
    assert found.failures == found.refused == []
    assert set(found.versions) == {"v1", "v2", "v3"}


def corrupted(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def half_written(folder: Path) -> None:
    data = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[: len(data) // 2])
    (folder / "serving.json").unlink()


def half_a_manifest(folder: Path) -> None:
    manifest = (folder / "manifest.json").read_text()
    digest = json.loads(manifest)["digest"]
    (folder / "manifest.json").write_text(json.dumps({"digest": digest}))


def of_a_newer_format(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))


def with_the_contract_of_another(folder: Path) -> None:
    flower_bundle(folder.parent / "flowers")
    shutil.copy(folder.parent / "flowers" / "contract.json", folder)
    signed(folder)


def whose_graph_takes_other_columns(folder: Path) -> None:
    contract = json.loads((folder / "contract.json").read_bytes())
    (folder / "contract.json").write_text(json.dumps({**contract, "features": contract["features"][:-1]}))
    signed(folder)


BAD: dict[Callable[[Path], None], str] = {
    corrupted: "does not match its sha256",
    half_written: "does not match its sha256",
    half_a_manifest: "no readable manifest.json",
    of_a_newer_format: "format 2, this server reads 1; serve it with",
    with_the_contract_of_another: "can not predict its own example",
    whose_graph_takes_other_columns: "can not predict its own example",
}


def test_a_bad_bundle_is_refused_and_the_old_one_answers_on(
    pair: Served, made: dict[str, Path], tmp_path: Path
) -> None:
    with load(pair.port) as found:
        for damage, reason in BAD.items():
            folder = shutil.copytree(made["v2"], tmp_path / damage.__qualname__)
            damage(folder)
            pair.bundles = {**made, "bad": folder}
            for mode, weights in (("replace", {"bad": 100}), ("canary", {"v1": 50, "bad": 50})):
                pair.plan(mode, weights)
                answers = pair.acknowledged()
                assert [answer["version"] for answer in answers] == ["v1", "v1"]
                assert all(reason in answer["error"] for answer in answers), answers
        found.more()
    assert found.failures == found.refused == []
    assert set(found.versions) == {"v1"}
    pair.bundles = made
    pair.plan("replace", {"v2": 100})
    assert pair.ask(body=ROW).json["version"] == "v2"


def test_a_stop_answers_all_that_it_accepted(pair: Served) -> None:
    """After the stop nobody listens, which is no failure of a request; until then each is answered."""
    with load(pair.port) as found:
        pair.process.terminate()
        assert pair.process.wait(60) == 0
        found.more(3)
    assert found.failures == []
    assert found.refused
    assert set(found.versions) == {"v1"}


def test_a_killed_worker_takes_only_its_own_requests_with_it(pair: Served) -> None:
    with load(pair.port) as found:
        for _ in range(3):
            victim, *_ = pair.workers()
            before = len(found.failures)
            victim.kill()
            assert pair.ask("/health/live").status == 200
            found.more()
            assert len(found.failures) - before <= 4  # as many as there are clients
            until(lambda: len(pair.acknowledged()) == 2)
        before = len(found.failures)
        found.more()
        assert len(found.failures) == before
    assert found.refused == []
    assert set(found.versions) == {"v1"}


@pytest.mark.parametrize("fault", [corrupted, of_a_newer_format])
def test_a_server_does_not_start_to_answer_with_a_bad_bundle(
    made: dict[str, Path], tmp_path: Path, fault: Callable[[Path], None]
) -> None:
    folder = shutil.copytree(made["v1"], tmp_path / "bad")
    fault(folder)
    with served(tmp_path / "endpoint", bundles={"bad": folder}) as server:
        refused = server.ask("/health/ready")
        assert (refused.status, refused.json["type"]) == (503, "urn:problem:no-model")
        assert BAD[fault] in refused.json["detail"]
        assert server.ask("/health/live").status == 200
        server.bundles = made
        server.plan("replace", {"v1": 100})
        assert server.ask("/health/ready").status == 200
