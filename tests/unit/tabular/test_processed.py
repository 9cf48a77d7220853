"""The stages of `dvc.yaml`: the bytes of `dvc.lock`, from the functions that the steps call."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from project.errors import Unreachable
from project.paths import ROOT
from tabular.cells import parse_cell
from tabular.contract import load_contract
from tabular.files import parquet_rows
from tabular.fingerprints import dvc_folder_hash, fingerprints_of
from tabular.processed import clean, split
from tabular.reading import typed
from tabular.sites import rows_of
from tabular.sniffing import header
from tabular.splitting import split_rows
from tabular.training_config import TrainingConfig
from tests.unit.tabular.conftest import Data

AGAIN = "dvc.lock is older than the tree: dvc repro"


@cache
def lock() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return stages


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def written(stage: str) -> dict[str, str]:
    return {Path(out["path"]).name: out["md5"] for out in lock()[stage]["outs"]}


@pytest.mark.parametrize("name", ["heart_disease", "breast_cancer", "penguins"])
def test_the_stages_write_what_the_lock_says(name: str, config: TrainingConfig, tmp_path: Path) -> None:
    contract = load_contract(name)
    assert {path.name: md5(path) for path in clean(contract, tmp_path)} == written(f"clean@{name}"), AGAIN
    assert {path.name: md5(path) for path in split(contract, config, tmp_path)} == written(f"split@{name}"), AGAIN


def test_the_rows_are_those_that_training_splits(heart: Data, config: TrainingConfig, tmp_path: Path) -> None:
    clean(heart.contract, tmp_path)
    train, test, external = (pd.read_parquet(path) for path in split(heart.contract, config, tmp_path))
    pd.testing.assert_frame_equal(train, heart.train)
    pd.testing.assert_frame_equal(test, heart.test)
    assert external["_site"].value_counts().to_dict() == {"hungarian": 294, "va": 200, "switzerland": 123}


def test_the_lock_knows_the_code_and_the_contracts_as_they_are() -> None:
    assert {stage.split("@")[0] for stage in lock()} == {"download", "clean", "split"}
    for stage in lock().values():
        code = [each for each in stage.get("deps", []) if each["path"].endswith(".py")]
        assert {each["path"]: md5(ROOT / each["path"]) for each in code} == {e["path"]: e["md5"] for e in code}, AGAIN
        for file, known in stage["params"].items():
            now = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
            assert {key: now.get(key) for key in known} == known, AGAIN


@pytest.mark.parametrize(
    ("stage", "parts"), [("clean", (typed, parse_cell, header, parquet_rows)), ("split", (split_rows, rows_of))]
)
def test_a_stage_runs_again_where_code_changes_that_makes_its_rows(
    stage: str, parts: tuple[Callable[..., object], ...]
) -> None:
    known = {each["path"] for each in lock()[f"{stage}@penguins"]["deps"]}
    assert {f"{part.__module__.replace('.', '/')}.py" for part in parts} <= known


@pytest.mark.parametrize("name", ["heart_disease", "penguins"])
def test_a_run_names_its_data_by_the_hash_of_the_lock(name: str) -> None:
    contract = load_contract(name)
    files, hashes = fingerprints_of(contract)
    (raw,) = lock()[f"download@{name}"]["outs"]
    assert hashes.md5 == raw["md5"]
    assert files == {site: each.sha256 for site, each in contract.sites.items()}


def test_the_hash_of_a_folder_sees_names_and_bytes_and_no_order() -> None:
    found = dvc_folder_hash({"a/x.csv": "1" * 32, "a/b/y.csv": "2" * 32})
    assert found == dvc_folder_hash({"/else/b/y.csv": "2" * 32, "/else/x.csv": "1" * 32})
    assert found == dvc_folder_hash({"s3://bucket/b/y.csv": "2" * 32, "s3://bucket/x.csv": "1" * 32})
    assert found != dvc_folder_hash({"a/x.csv": "2" * 32, "a/b/y.csv": "1" * 32})
    assert found != dvc_folder_hash({"a/z.csv": "1" * 32, "a/b/y.csv": "2" * 32})
    assert dvc_folder_hash({"x.csv": "1" * 32}) == dvc_folder_hash({"/y/x.csv": "1" * 32})
    apart = dvc_folder_hash({"data/x.csv": "1" * 32, "s3://bucket/x.csv": "2" * 32})
    assert apart == dvc_folder_hash({"/data/x.csv": "1" * 32, "/s3:/bucket/x.csv": "2" * 32})


def test_split_needs_what_clean_writes(config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="parquet does not exist") as raised:
        split(load_contract("penguins"), config, tmp_path)
    assert raised.value.next_step == "python run.py data clean --dataset penguins"
