"""Batch: the endpoint's answers and the endpoint's reasons, file in and file out."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from project.errors import ConfigError, ProjectError, Refused, Unreachable
from serving.bundle import load
from serving.http import Request
from serving.predictions import predict
from serving.problems import Problem
from tabular.batch import BatchFiles, BatchSettings, BatchSummary, predict_file
from tabular.bundle import Bundle, read_bundle
from tabular.contract import Reading, load_contract
from tabular.reading import located
from tests.serving_bundle import ROW, flower_bundle, heart_bundle

SETTINGS = BatchSettings(chunk_rows=7, maximum_reject_share=0.1)
FLOWER = {"stem length": 21.5, "petals": 10, "colour": "white", "wild": False}


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heart")
    heart_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flowers")
    flower_bundle(folder)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> BatchFiles:
    source, output, rejected = (str(tmp_path / name) for name in ("in.csv", "out.csv", "rejects.csv"))
    return BatchFiles(source, output, rejected, Reading(missing=["", "?", "88"]))


def write_csv(files: BatchFiles, rows: Sequence[Mapping[str, object]]) -> None:
    with Path(files.input).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rejects(files: BatchFiles) -> list[tuple[int, str, str, str]]:
    with Path(files.rejects).open(encoding="utf-8", newline="") as file:
        return [(int(r["row"]), r["column"], r["value"], r["reason"]) for r in csv.DictReader(file)]


def served(folder: Path, row: Mapping[str, object]) -> Any:
    """What the server answers for one row, or the reasons why it does not."""
    bundle = read_bundle(folder)
    model = load(folder, "1", bundle.digest)
    try:
        return json.loads(predict(model, Request(json.dumps(row).encode(), "", {})).body)
    except Problem as problem:
        return [violation.sentence() for violation in problem.violations]


def run(folder: Path, files: BatchFiles, max_rejects: int | None = None) -> BatchSummary:
    return predict_file(read_bundle(folder), files, SETTINGS, max_rejects)


# The same answers


@pytest.mark.parametrize("site", ["cleveland", "hungarian", "switzerland", "va"])
def test_every_patient_gets_the_server_s_answer_or_its_reason(heart: Path, files: BatchFiles, site: str) -> None:
    contract = load_contract("heart_disease")
    path = located(contract.sites[site].path)
    summary = run(heart, replace(files, input=path, reading=contract.reading, ignored=("num",)), max_rejects=100)
    raw = pd.read_csv(path, names=contract.reading.columns, na_values="?")
    answers = pd.read_csv(files.output).set_index("row")
    told = rejects(files)
    assert (summary.rows, summary.predicted) == (len(raw), len(answers))
    for number, row in enumerate(raw[list(contract.features)].to_dict("records"), start=1):
        expected = served(heart, {str(name): None if math.isnan(value) else value for name, value in row.items()})
        if number in answers.index:
            answer = answers.loc[number]
            assert answer["label"] == expected["label"]
            assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-6)
            assert answer["probability disease"] == answer["probability"]
            assert answer["probability no disease"] == pytest.approx(1 - expected["probability"], abs=1e-6)
        else:
            assert [reason for of, _, _, reason in told if of == number] == expected


CELLS = [
    pytest.param({"stem length": ""}, {"stem length": None}, id="empty"),
    pytest.param({"stem length": "?"}, {"stem length": None}, id="sign for missing"),
    pytest.param({"stem length": " 88"}, {"stem length": None}, id="number as a sign for missing"),
    pytest.param({"stem length": "88.0"}, {"stem length": 88}, id="that number, written otherwise"),
    pytest.param({"stem length": "none"}, {"stem length": "none"}, id="string code for missing"),
    pytest.param({"stem length": "-1.0"}, {"stem length": -1}, id="number code for missing"),
    pytest.param({"stem length": " 7.5 "}, {"stem length": 7.5}, id="spaces"),
    pytest.param({"stem length": "1e1"}, {"stem length": 10.0}, id="exponent"),
    pytest.param({"stem length": "1e400"}, {"stem length": math.inf}, id="infinity"),
    pytest.param({"stem length": "long"}, {"stem length": "long"}, id="text for a number"),
    pytest.param({"petals": "10.0"}, {"petals": 10.0}, id="whole number with a decimal"),
    pytest.param({"petals": "10.5"}, {"petals": 10.5}, id="not whole"),
    pytest.param({"petals": "41"}, {"petals": 41}, id="above the range"),
    pytest.param({"petals": "99"}, {"petals": 99}, id="integer code for missing"),
    pytest.param({"colour": "unknown"}, {"colour": "unknown"}, id="category code for missing"),
    pytest.param({"colour": " red"}, {"colour": " red"}, id="category with spaces"),
    pytest.param({"colour": "blue"}, {"colour": "blue"}, id="unknown category"),
    pytest.param({"wild": "yes"}, {"wild": True}, id="yes"),
    pytest.param({"wild": "0"}, {"wild": 0}, id="0 for false"),
    pytest.param({"wild": ""}, {"wild": None}, id="missing where it must be there"),
    pytest.param({"wild": "2", "petals": "two"}, {"wild": 2, "petals": "two"}, id="two cells of a row"),
]


@pytest.mark.parametrize(("cells", "sent"), CELLS)
def test_a_cell_means_what_a_client_would_send(
    flowers: Path, files: BatchFiles, cells: dict[str, str], sent: dict[str, object]
) -> None:
    write_csv(files, [{**FLOWER, **cells}, FLOWER])
    run(flowers, files, max_rejects=1)
    expected = served(flowers, {**FLOWER, **sent})
    answers = pd.read_csv(files.output).set_index("row")
    if isinstance(expected, list):
        assert [(row, reason) for row, _, _, reason in rejects(files)] == [(1, reason) for reason in expected]
        assert [value for _, _, value, _ in rejects(files)] == [cells[column] for _, column, _, _ in rejects(files)]
        assert list(answers.index) == [2]
        return
    assert rejects(files) == []
    assert answers["label"][1] == expected["label"]
    assert answers["probability"][1] == pytest.approx(expected["probability"], abs=1e-6)
    for label, probability in expected["probabilities"].items():
        assert answers[f"probability {label}"][1] == pytest.approx(probability, abs=1e-6)


def test_parquet_in_and_out(flowers: Path, files: BatchFiles) -> None:
    rows = pd.DataFrame(
        {
            "id": [7, 8, 9],
            "stem length": [21.5, None, 3.0],
            "petals": pd.array([10, None, 50], dtype="Int64"),
            "colour": ["white", None, "red"],
            "wild": [False, True, True],
        }
    )
    parquet = [str(Path(files.input).with_name(name)) for name in ("in.parquet", "out.parquet")]
    files = replace(files, input=parquet[0], output=parquet[1], keep=("id",))
    rows.to_parquet(files.input)
    summary = run(flowers, files, max_rejects=1)
    answers = pd.read_parquet(files.output)
    assert [(name, str(kind)) for name, kind in answers.dtypes.items()] == [
        ("row", "int64"),
        ("id", "int64"),
        ("label", "object"),
        ("probability", "float32"),
        *((f"probability {label}", "float32") for label in ("daisy", "rose", "tulip")),
    ]
    assert (list(answers["row"]), list(answers["id"])) == ([1, 2], [7, 8])
    sent = {"stem length": None, "petals": None, "colour": None, "wild": True}
    assert answers["probability"][1] == pytest.approx(served(flowers, sent)["probability"], abs=1e-6)
    assert rejects(files) == [(3, "petals", "50", "petals is 50; allowed: a whole number from 3 to 40, or null")]
    assert (summary.rows, summary.predicted, summary.rejected, summary.reasons) == (3, 2, 1, {"petals": 1})
    assert sum(summary.labels.values()) == 2


def test_a_true_in_a_column_of_numbers_does_not_fit(flowers: Path, files: BatchFiles) -> None:
    files = replace(files, input=str(Path(files.input).with_suffix(".parquet")))
    pd.DataFrame([FLOWER, FLOWER]).assign(petals=[True, True]).to_parquet(files.input)
    with pytest.raises(Refused, match="2 of 2 rows do not fit"):
        run(flowers, files, max_rejects=2)
    assert rejects(files)[0][3] == served(flowers, {**FLOWER, "petals": True})[0]


def test_chunks_change_nothing(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [{**ROW, "age": 30 + index if index != 8 else "?"} for index in range(40)])
    found = []
    for size in (1, 8, 9, 1000):
        settings = BatchSettings(chunk_rows=size, maximum_reject_share=0.1)
        predict_file(read_bundle(heart), files, settings)
        found.append((pd.read_csv(files.output), rejects(files)))
    for answers, told in found:
        assert told == [(9, "age", "?", "age is null; allowed: a number from 0 to 120")]
        pd.testing.assert_frame_equal(answers, found[0][0], rtol=0, atol=1e-6)
    assert list(found[0][0]["row"]) == [*range(1, 9), *range(10, 41)]


def test_kept_columns_and_the_target(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [{"patient": "a, b", **ROW, "num": 4}, {"patient": 'say "c"', **ROW, "num": "?"}])
    run(heart, replace(files, ignored=("num",), keep=("patient", "age")))
    answers = pd.read_csv(files.output)
    assert list(answers) == [
        *("row", "patient", "age", "label", "probability", "probability no disease", "probability disease")
    ]
    assert list(answers["patient"]) == ["a, b", 'say "c"']
    assert list(answers["age"]) == [63, 63]


# What is refused


def test_rows_of_another_length_are_rejected_alone(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [ROW] * 3)
    lines = Path(files.input).read_text().splitlines()
    Path(files.input).write_text("\n".join([*lines[:2], "", "63,1", *lines[2:], f"{lines[2]},5"]) + "\n")
    summary = run(heart, files, max_rejects=2)
    assert rejects(files) == [
        (2, "", "63,1", "the row has 2 cells; expected 13, separated by ','"),
        (5, "", f"{lines[2]},5", "the row has 14 cells; expected 13, separated by ','"),
    ]
    assert (summary.rows, summary.predicted, summary.reasons) == (5, 3, {"": 2})
    assert list(pd.read_csv(files.output)["row"]) == [1, 3, 4]


def test_too_many_rejects_leave_the_old_answers_and_tell_the_reasons(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [{**ROW, "age": age} for age in (63, 200, 300, 64)])
    Path(files.output).write_text("old")
    with pytest.raises(Refused) as caught:
        run(heart, files, max_rejects=1)
    assert caught.value.cause.startswith("2 of 4 rows do not fit the contract of heart_disease, allowed: 1;")
    assert caught.value.next_step == "correct the rows, or --max-rejects 2"
    assert [(row, value) for row, _, value, _ in rejects(files)] == [(2, "200"), (3, "300")]
    assert Path(files.output).read_text() == "old"
    assert run(heart, files, max_rejects=2).predicted == 2


@pytest.mark.parametrize(("bad", "passes"), [(2, True), (3, False)])
def test_without_a_number_a_share_is_allowed(heart: Path, files: BatchFiles, bad: int, passes: bool) -> None:
    write_csv(files, [{**ROW, "sex": 9 if index < bad else 1} for index in range(20)])
    if passes:
        assert run(heart, files).rejected == bad
        return
    with pytest.raises(Refused, match=r"3 of 20 rows .* allowed: 2, 10% of the rows"):
        run(heart, files)


BROKEN: list[Any] = [
    pytest.param("", "is empty", Refused, id="empty"),
    pytest.param("HEADER\n", "has no rows", Refused, id="header alone"),
    pytest.param("HEADER,age\nVALUES,1\n", "column 'age' stands twice", Refused, id="repeated column"),
    pytest.param("HEADER,weight\nVALUES,1\n", "unknown column 'weight'; allowed: age, sex", Refused, id="extra column"),
    pytest.param("agee,sex\n1,1\n", "column 'age' is missing; did you mean 'agee'?", Refused, id="missing column"),
    pytest.param("age;sex;cp\n1;1;1\n", "separated by ';', expected ','", Refused, id="wrong delimiter"),
    pytest.param('HEADER\n"63', "is not a CSV file: unexpected end of data", Refused, id="cut inside quotes"),
    pytest.param("HEADER\nVALUES\nJos\xe9", "is not utf-8: ", Refused, id="another encoding"),
]


@pytest.mark.parametrize(("content", "reason", "kind"), BROKEN)
def test_a_file_that_can_not_be_read_leaves_nothing(
    heart: Path, files: BatchFiles, content: str, reason: str, kind: type[ProjectError]
) -> None:
    text = content.replace("HEADER", ",".join(ROW)).replace("VALUES", ",".join(map(str, ROW.values())))
    Path(files.input).write_bytes(text.encode("latin-1"))
    with pytest.raises(kind) as caught:
        run(heart, files)
    assert reason in caught.value.cause
    assert [path.name for path in Path(files.input).parent.iterdir()] == ["in.csv"]


def test_a_file_that_is_not_there(heart: Path, files: BatchFiles) -> None:
    with pytest.raises(Unreachable, match=r"in\.csv does not exist"):
        run(heart, files)


def test_no_parquet(heart: Path, files: BatchFiles, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(Refused, match=r"in\.parquet is not a Parquet file"):
        run(heart, replace(files, input=str(tmp_path / "in.parquet")))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"output": "in.csv"}, "--input and --output are both", id="output over input"),
        pytest.param({"rejects": "out.csv"}, "--output and --rejects are both", id="rejects over output"),
        pytest.param({"keep": ("nam",)}, "has no column 'nam' to keep; did you mean 'name'", id="nothing to keep"),
        pytest.param({"keep": ("label",)}, "column 'label' can not be kept", id="a name that is taken"),
    ],
)
def test_names_that_can_not_be_used(
    heart: Path, files: BatchFiles, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    write_csv(files, [{"name": "a", "label": "b", **ROW}])
    changed: Any = {key: value if key == "keep" else str(tmp_path / value) for key, value in changes.items()}
    with pytest.raises(ConfigError) as caught:
        run(heart, replace(files, ignored=("name", "label"), **changed))
    assert reason in caught.value.cause
    assert Path(files.input).read_text().startswith("name,label")


def test_an_address_that_takes_no_files(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [ROW])
    with pytest.raises(ConfigError, match="can not be written to"):
        run(heart, replace(files, output="https://example.org/out.csv"))


def test_an_output_that_is_a_folder_leaves_nothing(heart: Path, files: BatchFiles, tmp_path: Path) -> None:
    write_csv(files, [ROW])
    with pytest.raises(ConfigError, match="is a folder"):
        run(heart, replace(files, output=f"{tmp_path}/new/", rejects=f"{tmp_path}/new/.rejects.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_a_bundle_of_two_classes_decides_by_its_threshold(heart: Path, files: BatchFiles) -> None:
    write_csv(files, [ROW])
    bundle = read_bundle(heart)
    run(heart, files)
    probability = float(pd.read_csv(files.output)["probability"][0])
    for threshold, label in ((probability - 0.01, "disease"), (probability + 0.01, "no disease")):
        serving = {**bundle.json("serving.json"), "threshold": threshold}
        changed = Bundle({**bundle.content, "serving.json": json.dumps(serving).encode()}, {}, "", {})
        assert predict_file(changed, files, SETTINGS).labels == {label: 1}
