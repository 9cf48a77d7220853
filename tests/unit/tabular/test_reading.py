"""Files as they come: read as the contract says, or refused in one line with the right exit code."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from project.errors import ConfigError, Exit, ProjectError, Refused, Unreachable
from project.paths import ROOT
from tabular.checks import check_rows
from tabular.contract import Contract
from tabular.description import describe_site
from tabular.reading import Unreadable, fingerprint, located, raw_table, read_site, typed
from tabular.sites import SITE, read_sites, rows_of, tables
from tests.unit.tabular.conftest import Data, Write, make_contract

HEADER = "weight,litter,indoor,coat,colour,kind"


def test_cells_become_the_contract_s_types(pets: Contract, write: Write) -> None:
    write(HEADER, "4.5,3,yes,1,red,c", "0,NA,0,2.0, white ,d", "", "12,4,,,,c")
    table = read_site(pets, "here")
    assert table.unreadable == []
    assert {str(name): str(kind) for name, kind in table.rows.dtypes.items()} == {
        "weight": "float64", "litter": "Int64", "indoor": "boolean", "coat": "Int64", "colour": "string",
        "kind": "string",
    }  # fmt: skip
    assert table.rows.astype(object).where(table.rows.notna(), None).to_numpy().tolist() == [
        [4.5, 3, True, 1, "red", "cat"],
        [None, None, False, 2, "white", "dog"],
        [12.0, 4, None, None, None, "cat"],
    ]


def test_what_does_not_fit_is_listed_and_missing(pets: Contract, write: Write) -> None:
    write(HEADER, "heavy,3,yes,1,red,c", "4,2.5,perhaps,two,red,fish", "inf,1,1,1,red,")
    table = read_site(pets, "here")
    assert table.unreadable == [
        Unreadable(1, "weight", "heavy", "a number from 0 to 90"),
        Unreadable(3, "weight", "inf", "a number from 0 to 90"),
        Unreadable(2, "litter", "2.5", "a whole number from 1 to 12"),
        Unreadable(2, "indoor", "perhaps", "true or false"),
        Unreadable(2, "coat", "two", "one of 1, 2"),
        Unreadable(2, "kind", "fish", "one of c, d"),
        Unreadable(3, "kind", "", "one of c, d"),
    ]
    assert table.rows.isna().sum().to_dict() == {
        "weight": 2, "litter": 1, "indoor": 1, "coat": 1, "colour": 0, "kind": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        pytest.param([HEADER.replace(",", ";"), "4;3;1;1;red;c"], "column 'weight' is missing", id="wrong delimiter"),
        pytest.param(
            [HEADER, "4,3,1,1,red,c", "4,3,1"], "row 2 has 3 cells, expected 6 separated by ','", id="cut off in a row"
        ),
        pytest.param([HEADER, '4,3,1,1,"red,c'], "is not a CSV file: unexpected end of data", id="cut off in quotes"),
        pytest.param([HEADER, "4,3,1,1,red,c,extra"], "row 1 has 7 cells, expected 6", id="a cell too many"),
        pytest.param(
            [HEADER.replace("litter", "weight"), "4,3,1,1,red,c"], "column 'weight' stands twice", id="header twice"
        ),
        pytest.param(
            [HEADER.replace("litter", "liter"), "4,3,1,1,red,c"],
            "column 'litter' is missing; did you mean 'liter'?", id="a column misspelt",
        ),
        pytest.param([HEADER.removesuffix(",kind"), "4,3,1,1,red"], "column 'kind' is missing", id="no target"),
        pytest.param([HEADER], "has no rows", id="a header alone"),
        pytest.param([""], "is empty", id="nothing"),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused(pets: Contract, write: Write, lines: list[str], cause: str) -> None:
    path = write(*lines)
    with pytest.raises(Refused) as refusal:
        read_site(pets, "here")
    assert refusal.value.exit_code is Exit.REFUSED
    assert refusal.value.cause.startswith(str(path))
    assert cause in refusal.value.cause


def test_another_encoding_is_refused_and_can_be_named(pets: Contract, write: Write) -> None:
    write(HEADER, "4,3,1,1,bräunlich,c", encoding="latin-1")
    with pytest.raises(Refused) as refusal:
        read_site(pets, "here")
    assert "here.csv is not utf-8: 'utf-8' codec can't decode byte 0xe4" in refusal.value.cause
    assert refusal.value.next_step == "set reading.encoding in the contract"
    latin = pets.model_copy(update={"reading": pets.reading.model_copy(update={"encoding": "latin-1"})})
    assert read_site(latin, "here").rows["colour"].tolist() == ["bräunlich"]
    unknown = pets.model_copy(update={"reading": pets.reading.model_copy(update={"encoding": "utf-99"})})
    with pytest.raises(Refused, match="is not utf-99: unknown encoding"):
        read_site(unknown, "here")


def test_a_byte_order_mark_is_no_part_of_the_first_column(pets: Contract, write: Write) -> None:
    write(HEADER, "4,3,1,1,red,c", encoding="utf-8-sig")
    assert read_site(pets, "here").rows["weight"].tolist() == [4.0]


def test_a_missing_file_is_unreachable(pets: Contract) -> None:
    with pytest.raises(Unreachable) as failure:
        read_site(pets, "here")
    path = pets.sites["here"].path
    assert failure.value.exit_code is Exit.UNREACHABLE
    assert str(failure.value) == f"{path} does not exist. Next: check the path"
    site = pets.sites["here"].model_copy(update={"url": "https://pets.example/here.csv"})
    with pytest.raises(Unreachable) as failure:
        read_site(pets.model_copy(update={"sites": {"here": site}}), "here")
    assert failure.value.next_step == "check the path, or fetch it: python run.py data download --dataset pets"


def test_what_can_not_be_opened_is_unreachable() -> None:
    with pytest.raises(Unreachable) as failure:
        fingerprint("nosuch://bucket/x.csv")
    assert failure.value.cause.startswith("nosuch://bucket/x.csv can not be read: ")


@pytest.mark.parametrize(("path", "what"), [(str(ROOT), "is a folder"), ("/dev/null", "is a device or a pipe")])
def test_what_is_no_file(path: str, what: str) -> None:
    with pytest.raises(ConfigError) as failure:
        fingerprint(path)
    assert failure.value.cause.startswith(f"{path} {what}")


def test_a_changed_byte_is_refused_by_its_checksum(write: Write) -> None:
    path = write(HEADER, "4,3,1,1,red,c")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fingerprint(str(path)) == digest
    site = {"role": "train", "path": str(path), "sha256": digest}
    contract = make_contract(sites={"here": {**site, "url": "https://pets.example/here.csv"}})
    assert len(read_site(contract, "here").rows) == 1
    path.write_bytes(path.read_bytes().replace(b"4", b"5"))
    with pytest.raises(Refused) as refusal:
        read_site(contract, "here")
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    assert refusal.value.cause == f"{path}: sha256 is {actual[:12]}…, the contract says {digest[:12]}…"
    assert refusal.value.next_step == "python run.py data download --dataset pets"
    with pytest.raises(Refused) as refusal:
        read_site(make_contract(sites={"here": site}), "here")
    assert refusal.value.next_step == "see what changed, then correct sha256 in configs/datasets/pets.yaml"


def test_addresses_and_paths() -> None:
    assert located("s3://bucket/key") == "s3://bucket/key"
    assert located("data/x.csv") == str(ROOT / "data" / "x.csv")
    assert located("/data/x.csv") == "/data/x.csv"


def parquet(frame: pd.DataFrame, path: Path) -> Contract:
    frame.to_parquet(path, index=False)
    return make_contract(reading={"format": "parquet"}, sites={"here": {"role": "train", "path": str(path)}})


def test_parquet_is_read_by_value(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "weight": np.array([4.5, math.nan], dtype=np.float32),
            "litter": pd.array([3, None], dtype="Int64"),
            "indoor": [True, False],
            "coat": [1.0, 2.0],
            "colour": ["red", None],
            "kind": ["c", "d"],
            "other": ["ignored", "too"],
        }
    )
    table = read_site(parquet(frame, tmp_path / "here.parquet"), "here")
    assert table.unreadable == []
    assert table.rows.astype(object).where(table.rows.notna(), None).to_numpy().tolist() == [
        [4.5, 3, True, 1, "red", "cat"],
        [None, None, False, 2, None, "dog"],
    ]


def test_an_index_with_a_name_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "here.parquet"
    frame = pd.DataFrame(
        {"litter": [3], "indoor": [True], "coat": [1], "colour": ["red"], "kind": ["c"]},
        index=pd.Index([4.5], name="weight"),
    )
    contract = parquet(frame.reset_index(), path)
    expected = read_site(contract, "here").rows
    frame.to_parquet(path)
    pd.testing.assert_frame_equal(read_site(contract, "here").rows, expected)
    assert expected["weight"].tolist() == [4.5]


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "here.parquet"
    contract = parquet(pd.DataFrame({"weight": [1.0]}), path)
    with pytest.raises(Refused, match="column 'litter' is missing"):
        read_site(contract, "here")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(Refused, match="is not a Parquet file"):
        read_site(contract, "here")


@pytest.mark.parametrize(
    ("values", "cells", "labels"),
    [
        pytest.param(([0], [1, 2]), ["0", "1.0", "2"], ["no", "yes", "yes"], id="numbers, several to a class"),
        pytest.param(([False], [True]), ["no", "Yes", "TRUE"], ["no", "yes", "yes"], id="YAML's unquoted no and yes"),
        pytest.param(([False], [True]), [False, True, True], ["no", "yes", "yes"], id="booleans of a Parquet file"),
        pytest.param(([1234567], [1234568]), ["1234567", "1234568", "1234568.0"], ["no", "yes", "yes"], id="digits"),
        pytest.param((["N"], ["Y"]), ["N", " Y", "y"], ["no", "yes", None], id="words, case and all"),
    ],
)
def test_classes_by_their_values(values: tuple[list[Any], list[Any]], cells: list[Any], labels: list[Any]) -> None:
    target = {
        "column": "kind",
        "positive": "yes",
        "classes": [{"label": "no", "values": values[0]}, {"label": "yes", "values": values[1]}],
    }
    table = typed(make_contract(target=target), pd.DataFrame({"kind": pd.Series(cells, dtype=object)}))
    assert table.rows["kind"].astype(object).where(table.rows["kind"].notna(), None).tolist() == labels
    assert [cell.value for cell in table.unreadable] == [c for c, label in zip(cells, labels, strict=True) if not label]


def test_features_without_a_column_are_missing() -> None:
    rows = typed(make_contract(), pd.DataFrame({"weight": ["4"]}, dtype=object)).rows
    assert rows.columns.tolist() == ["weight", "litter", "indoor", "coat", "colour"]
    assert rows.isna().to_numpy().tolist() == [[False, True, True, True, True]]


def test_the_real_hospitals(heart: Data) -> None:
    """Rows, missing cholesterol (0 stands for it) and diseased share as FACTS of the publisher have them."""
    target = heart.contract.target.column
    assert {
        site: (len(rows), int(rows["chol"].isna().sum()), round(float((rows[target] == "disease").mean()), 2))
        for site, rows in heart.sites.items()
    } == {
        "cleveland": (303, 0, 0.46),
        "hungarian": (294, 23, 0.36),
        "switzerland": (123, 123, 0.93),
        "va": (200, 56, 0.74),
    }  # fmt: skip


def test_the_real_penguins(penguins: Data) -> None:
    rows = penguins.sites["palmer"]
    assert rows["species"].value_counts().to_dict() == {"Adelie": 152, "Gentoo": 124, "Chinstrap": 68}
    assert rows["sex"].isna().sum() == 11
    assert rows["bill_length_mm"].isna().sum() == 2


def test_sites_are_joined_and_taken_apart(pets: Contract, write: Write) -> None:
    write(HEADER, "4,3,1,1,red,c", "5,x,1,1,red,d")
    write(HEADER, "NA,NA,NA,NA,NA,c", name="there.csv")
    rows, unreadable = read_sites(pets, ["here", "there"])
    assert rows[SITE].tolist() == ["here", "here", "there"]
    assert rows_of(rows, "there")["kind"].tolist() == ["cat"]
    again = tables(rows, unreadable)
    assert [cell.value for cell in again["here"].unreadable] == ["x"]
    assert again["there"].unreadable == []
    pd.testing.assert_frame_equal(again["here"].rows, read_site(pets, "here").rows)


NAMED = ["weight", "litter", "indoor", "coat", "colour", "kind"]


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        pytest.param([], ["weight,litter,indoor,coat,colour", "4,3,1,1,red"], id="a header without the target"),
        pytest.param([], [HEADER, "4,3,1,1,red,no such class"], id="a target that says nothing"),
        pytest.param(NAMED, ["4,3,1,1,red"], id="no header, no target"),
        pytest.param(NAMED, ["4,3,1,1,red,c"], id="no header, a target"),
        pytest.param(NAMED, ["litter,weight,indoor,coat,colour", "3,4,1,1,red"], id="a header of its own"),
    ],
)
def test_rows_without_a_class(tmp_path: Path, write: Write, columns: list[str], lines: list[str]) -> None:
    """They are read without it, checked for what they have, and described."""
    sites = {"here": {"role": "train", "path": "x"}, "new": {"role": "unlabelled", "path": str(tmp_path / "new.csv")}}
    contract = make_contract(sites=sites, reading={"header": False, "columns": columns} if columns else {})
    assert (contract.external_sites, contract.watched_sites) == ([], ["new"])
    write(*lines, name="new.csv")
    table = read_site(contract, "new")
    assert table.unreadable == []
    assert table.rows.to_numpy().tolist() == [[4.0, 3, True, 1, "red"]]
    assert check_rows(contract, table, "new").passed
    assert describe_site(contract, "new", table).classes == {}


def test_rows_that_should_have_a_class_are_refused(pets: Contract, write: Write) -> None:
    write("weight,litter,indoor,coat,colour", "4,3,1,1,red", name="there.csv")
    with pytest.raises(Refused, match="column 'kind' is missing"):
        read_site(pets, "there")


def test_failures_of_reading_are_the_project_s_own(pets: Contract) -> None:
    with pytest.raises(ProjectError, match=r"x\.csv is empty"):
        raw_table(pets, b"", "x.csv")
