"""Loading: a bundle that is not what its manifest says never becomes a model; traffic changes whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.bundle import load
from serving.manifest import BundleRefused
from serving.traffic import TrafficTable
from tabular.bundle import digest_of, sha256
from tests.serving_bundle import ROW, heart_bundle


@pytest.fixture
def copy(heart_folder: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    folder = shutil.copytree(heart_folder[0], tmp_path / "copy")
    return folder, heart_folder[1]


def change(folder: Path, name: str, edit: Callable[[Any], Any]) -> str:
    """Change a JSON file and sign the bundle again; its new digest."""
    (folder / name).write_text(json.dumps(edit(json.loads((folder / name).read_bytes()))))
    return sign(folder)


def sign(folder: Path) -> str:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {name: sha256((folder / name).read_bytes()) for name in manifest["files"]}
    manifest["digest"] = digest_of(manifest["files"])
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(manifest["digest"])


def refusal(folder: Path, digest: str) -> str:
    with pytest.raises(BundleRefused) as caught:
        load(folder, "1", digest)
    return str(caught.value).removeprefix(f"bundle {folder}: ")


@pytest.mark.parametrize(
    "name", ["model.onnx", "contract.json", "serving.json", "reference.parquet", "metrics.json", "model_card.md"]
)
def test_one_changed_byte_is_refused(copy: tuple[Path, str], name: str) -> None:
    data = bytearray((copy[0] / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy[0] / name).write_bytes(data)
    assert refusal(*copy) == f"{name} does not match its sha256"


def test_a_missing_file_is_refused(copy: tuple[Path, str]) -> None:
    (copy[0] / "metrics.json").unlink()
    assert refusal(*copy) == "metrics.json can not be read: No such file or directory"


def test_another_digest_than_expected_is_refused(copy: tuple[Path, str]) -> None:
    assert refusal(copy[0], "f" * 64) == "manifest.json does not have the expected digest ffffffffffff"


def test_a_manifest_that_lies_about_its_digest_is_refused(copy: tuple[Path, str]) -> None:
    change(copy[0], "metrics.json", lambda _: {"auc": 1})
    manifest = json.loads((copy[0] / "manifest.json").read_bytes())
    (copy[0] / "manifest.json").write_text(json.dumps({**manifest, "digest": copy[1]}))
    assert refusal(*copy).startswith("manifest.json does not have the expected digest")


def test_a_newer_format_is_refused(copy: tuple[Path, str]) -> None:
    manifest = json.loads((copy[0] / "manifest.json").read_bytes())
    (copy[0] / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    way = "serve it with the version of the server that its format came with, or train it again with this one"
    assert refusal(*copy) == f"format 2, this server reads 1; {way}"


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert refusal(tmp_path, "0" * 64).startswith("no readable manifest.json")


def test_a_file_the_server_needs(copy: tuple[Path, str]) -> None:
    manifest = json.loads((copy[0] / "manifest.json").read_bytes())
    del manifest["files"]["serving.json"]
    (copy[0] / "manifest.json").write_text(json.dumps(manifest))
    assert refusal(copy[0], sign(copy[0])) == "serving.json is missing"


@pytest.mark.parametrize(
    ("name", "edit", "reason"),
    [
        pytest.param("contract.json", lambda c: {**c, "features": [{}]}, "not in format 1: KeyError('name')", id="key"),
        pytest.param("serving.json", lambda s: {**s, "threshold": None}, "a binary model needs a threshold", id="none"),
        pytest.param(
            "contract.json",
            lambda c: {**c, "features": c["features"][:-1]},
            "the model can not predict its own example",
            id="columns",
        ),
        pytest.param(
            "serving.json",
            lambda s: {**s, "example": {"row": ROW, "probabilities": [0.5, 0.5]}},
            "the model misses its own example by 0.25",
            id="example",
        ),
        pytest.param(
            "serving.json",
            lambda s: {**s, "example": {"row": {"age": 900}, "probabilities": [0.5, 0.5]}},
            "the model can not predict its own example: age is 900",
            id="row",
        ),
    ],
)
def test_a_signed_bundle_that_does_not_work_is_refused(
    copy: tuple[Path, str], name: str, edit: Callable[[Any], Any], reason: str
) -> None:
    assert refusal(copy[0], change(copy[0], name, edit)).startswith(reason)


def test_a_model_that_is_no_onnx_file_is_refused(copy: tuple[Path, str]) -> None:
    (copy[0] / "model.onnx").write_bytes(b"not a model")
    assert "model.onnx can not be loaded" in refusal(copy[0], sign(copy[0]))


@pytest.fixture
def table(heart_folder: tuple[Path, str], tmp_path: Path) -> TrafficTable:
    other = tmp_path / "other"
    bundles = {
        "1": {"path": str(heart_folder[0]), "digest": heart_folder[1]},
        "2": {"path": str(other), "digest": heart_bundle(other, strength=0.01)},
    }
    write(tmp_path, 1, {"mode": "replace", "weights": {"1": 100}}, bundles)
    table = TrafficTable(tmp_path)
    table.refresh()
    return table


def write(folder: Path, generation: int, plan: object, bundles: object | None = None) -> None:
    path = folder / "traffic.json"
    bundles = bundles or json.loads(path.read_bytes())["bundles"]
    path.write_text(json.dumps({"generation": generation, "plan": plan, "bundles": bundles}))


def serves(table: TrafficTable) -> tuple[object, ...]:
    answer = table.acknowledgement()
    return answer["generation"], answer["version"], answer["error"]


def test_traffic_moves_and_comes_back_without_reading_the_bundle_again(table: TrafficTable) -> None:
    assert table.routing is not None
    first = table.routing.champion
    write(table.directory, 2, {"mode": "replace", "weights": {"2": 100}})
    table.refresh()
    assert serves(table) == (2, "2", "")
    write(table.directory, 3, {"mode": "replace", "weights": {"1": 100}})
    table.refresh()
    assert serves(table) == (3, "1", "")
    assert table.routing is not None
    assert table.routing.champion is first


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({"mode": "replace", "weights": {"1": 50, "2": 50}}, "no plan of this server: 'replace' with weights"),
        ({"mode": "replace", "weights": {"9": 100}}, "the plan names version 9, for which there is no bundle"),
    ],
)
def test_a_plan_it_can_not_render_changes_nothing(table: TrafficTable, plan: object, reason: str) -> None:
    write(table.directory, 2, plan)
    table.refresh()
    generation, version, error = serves(table)
    assert (generation, version) == (2, "1")
    assert str(error).startswith(reason)


def test_a_damaged_bundle_changes_nothing(table: TrafficTable) -> None:
    (table.directory / "other" / "model.onnx").write_bytes(b"")
    write(table.directory, 2, {"mode": "replace", "weights": {"2": 100}})
    table.refresh()
    assert serves(table)[:2] == (2, "1")
    assert table.error.endswith("model.onnx does not match its sha256")


@pytest.mark.parametrize("content", ["", "[]", '{"generation": 4}', '{"generation": "x", "plan": {}, "bundles": {}}'])
def test_an_unreadable_traffic_file_changes_nothing(table: TrafficTable, content: str) -> None:
    (table.directory / "traffic.json").write_text(content)
    table.refresh()
    assert serves(table)[:2] == (1, "1")
    assert "can not be read" in table.error


def test_versions_that_left_the_traffic_file_are_let_go(table: TrafficTable) -> None:
    traffic = json.loads((table.directory / "traffic.json").read_bytes())
    write(table.directory, 2, {"mode": "replace", "weights": {"2": 100}}, {"2": traffic["bundles"]["2"]})
    table.refresh()
    assert [version for version, _ in table._loaded] == ["2"]
