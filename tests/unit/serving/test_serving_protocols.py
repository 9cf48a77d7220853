"""Open Inference V2, MLflow's scoring format and Seldon's feedback, through the application."""

from __future__ import annotations

import dataclasses
import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import open_inference, open_inference_row
from serving.bundle import Model
from serving.columns import Column
from serving.http import Request
from serving.matrix import check_matrix
from serving.problems import Problem
from serving.rows import RowReader
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker, asker

INFER = "/v2/models/heart_disease/infer"


def columns(model: Model, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """One input per column."""
    return [
        {"name": name, "datatype": "FP64", "shape": [len(rows)], "data": [row.get(name) for row in rows]}
        for name in model.rows.names
    ]


def full(model: Model) -> dict[str, Any]:
    return {name: float(value) for name, value in ROW.items() if name in model.rows.names and value is not None}


def outputs(answer: Any) -> dict[str, Any]:
    return {each["name"]: each for each in answer["outputs"]}


def test_one_tensor_per_column(heart: Model, ask: Asker) -> None:
    expected = ask(body=ROW).json
    inputs = [each for each in columns(heart, full(heart)) if each["data"] != [None]]
    answer = ask(INFER, {"id": "a", "inputs": inputs})
    assert (answer.status, answer.json["model_name"], answer.json["model_version"], answer.json["id"]) == (
        200, "heart_disease", "7", "a",
    )  # fmt: skip
    found = outputs(answer.json)
    assert found["prediction"]["data"] == [expected["prediction"]]
    assert found["label"]["data"] == [expected["label"]]
    assert found["probabilities"]["shape"] == [1, 2]
    assert found["probabilities"]["data"][1] == pytest.approx(expected["probability"], abs=1e-6)


def test_tensors_both_ways(heart: Model, ask: Asker) -> None:
    values = np.array([[full(heart).get(name, math.nan) for name in heart.rows.names]] * 3, dtype="<f4")
    width = len(heart.rows.names)
    head = json.dumps(
        {
            "inputs": [
                {"name": "features", "datatype": "FP32", "shape": [3, width],
                 "parameters": {"binary_data_size": values.nbytes}}
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()  # fmt: skip
    headers = {"inference-header-content-length": str(len(head)), "content-type": "application/octet-stream"}
    answer = ask(INFER, head + values.tobytes(), headers=headers)
    assert answer.status == 200, answer.body
    length = int(answer.headers["inference-header-content-length"])
    said, raw = json.loads(answer.body[:length]), answer.body[length:]
    sizes = {each["name"]: each["parameters"]["binary_data_size"] for each in said["outputs"]}
    assert (sizes["prediction"], sizes["probabilities"]) == (24, 24)
    probabilities = np.frombuffer(raw[24:48], "<f4").reshape(3, 2)
    assert probabilities[:, 1] == pytest.approx(ask(body=ROW).json["probability"], abs=1e-6)
    label = ask(body=ROW).json["label"].encode()
    assert raw[48:] == (struct.pack("<I", len(label)) + label) * 3


def test_an_output_that_is_asked_for(heart: Model, ask: Asker) -> None:
    inputs = [each for each in columns(heart, full(heart)) if each["data"] != [None]]
    answer = ask(INFER, {"inputs": inputs, "outputs": [{"name": "label"}]})
    assert list(outputs(answer.json)) == ["label"]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"inputs": {}}, 400, "expected"),
        ({"outputs": [{"name": "x"}]}, 400, "there is no output 'x'"),
        ({"outputs": [1]}, 400, "outputs is not a list"),
        ({"outputs": [{"name": "label"}] * 2}, 400, "output 'label' is given twice"),
        ({"inputs": [1]}, 400, "an input is not an object with a name"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}, 400, "expected [rows] or"),
        ({"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}, 400, "expected"),
        ({"inputs": [{"name": "features", "datatype": "FP32", "shape": [2], "data": [1]}]}, 400, "does not hold"),
        ({"inputs": [{"name": "age", "datatype": "FP31", "shape": [1], "data": [1]}]}, 400, "datatype is 'FP31'"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [-1], "data": [1]}]}, 400, "list of sizes"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [1], "data": ["1"]}]}, 400, "list of numbers"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [1]}]}, 400, "neither data nor"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [1], "data": [1]}] * 2}, 400, "given twice"),
        ({"inputs": [{"name": "age", "datatype": "FP32", "shape": [1], "data": [500]}]}, 422, "age is 500"),
    ],
)
def test_what_is_no_inference_request(heart: Model, ask: Asker, change: dict[str, Any], status: int, said: str) -> None:
    inputs = [each for each in columns(heart, full(heart)) if each["data"] != [None]]
    answer = ask(INFER, {"inputs": inputs, **change})
    assert (answer.status, said in answer.json["error"]) == (status, True), answer.body


@pytest.mark.parametrize("outputs", [["label", "label"], ["label", "prediction", "label"]])
def test_an_output_asked_for_twice_is_refused_of_a_plain_row_too(ask: Asker, outputs: list[str]) -> None:
    tensor = {"name": "features", "shape": [1, len(ROW)], "datatype": "FP64", "data": list(ROW.values())}
    answer = ask(INFER, {"inputs": [tensor], "outputs": [{"name": name} for name in outputs]})
    assert (answer.status, answer.json["detail"]) == (400, "output 'label' is given twice")


def test_many_inputs_are_not_compared_each_with_each(heart: Model) -> None:
    compared: list[object] = []

    class Name(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return str.__eq__(self, other)

    many = [open_inference.Tensor(Name(f"x{number}"), "FP64", [1], np.ones(1)) for number in range(2_000)]
    with pytest.raises(Problem, match="unknown field 'x0'"):
        open_inference.answer(heart, many, [])
    assert len(compared) < 100 * len(many)


def test_inputs_of_different_lengths(ask: Asker) -> None:
    inputs = [
        {"name": "age", "datatype": "FP64", "shape": [2], "data": [63, 40]},
        {"name": "sex", "datatype": "FP64", "shape": [1], "data": [1]},
    ]
    refused = ask(INFER, {"inputs": inputs})
    assert (refused.status, refused.json["error"]) == (400, "the inputs have different numbers of rows: 1, 2")


@pytest.mark.parametrize("inputs", [[], [{"name": "features", "datatype": "FP32", "shape": [0, 13], "data": []}]])
def test_a_request_without_rows(heart: Model, tmp_path: Path, inputs: list[Any]) -> None:
    """Of a model that needs no column, no missing one is there to be named."""
    needs_none = RowReader([dataclasses.replace(column, nullable=True) for column in heart.rows.columns])
    for model in (heart, dataclasses.replace(heart, rows=needs_none)):
        refused = asker(model, tmp_path)(INFER, {"inputs": inputs})
        assert (refused.status, refused.json["error"]) == (422, "the list has no rows; send at least one")


def test_data_as_nested_as_its_shape(ask: Asker) -> None:
    inputs = [
        {"name": "age", "datatype": "FP64", "shape": [2, 1], "data": [[63], [40]]},
        {"name": "sex", "datatype": "FP64", "shape": [2, 1], "data": [[1], [0]]},
    ]
    expected = [ask(body=row).json["probability"] for row in ({"age": 63, "sex": 1}, {"age": 40, "sex": 0})]
    assert outputs(ask(INFER, {"inputs": inputs}).json)["probabilities"]["data"][1::2] == pytest.approx(
        expected, abs=1e-6
    )


def test_bytes_beyond_the_last_tensor(ask: Asker) -> None:
    given = {"name": "age", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    head = json.dumps({"inputs": [given]}).encode()
    refused = ask(INFER, head + b"\0" * 6, headers={"inference-header-content-length": str(len(head))})
    assert (refused.status, refused.json["error"]) == (400, "2 bytes follow the last tensor")


@pytest.mark.parametrize(
    ("length", "size", "said"),
    [("x", 4, "inference-header"), ("999999", 4, "inference-header"), (None, 9, "bytes are left"), (None, 3, "whole")],
)
def test_tensors_that_end_too_soon(ask: Asker, length: str | None, size: int, said: str) -> None:
    given = {"name": "age", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [given]}).encode()
    answer = ask(INFER, head + b"\0" * 4, headers={"inference-header-content-length": length or str(len(head))})
    assert answer.status == 400
    assert said in answer.json["error"]


def test_metadata_and_health(heart: Model, ask: Asker) -> None:
    said = ask("/v2/models/heart_disease", method="GET").json
    assert [each["name"] for each in said["inputs"]] == heart.rows.names
    assert {each["name"]: each["shape"] for each in said["outputs"]} == {
        "prediction": [-1], "probabilities": [-1, 2], "label": [-1],
    }  # fmt: skip
    assert ask("/v2/models/heart_disease/versions/7/ready", method="GET").status == 200
    assert ask("/v2/models/other/ready", method="GET").status == 404
    assert ask("/v2", method="GET").json["extensions"] == ["binary_tensor_data"]
    assert [ask(f"/v2/health/{name}", method="GET").status for name in ("live", "ready")] == [200, 200]


def test_mlflow_formats(heart: Model, ask: Asker) -> None:
    row = {name: ROW.get(name) for name in heart.rows.names}
    names, values = list(row), list(row.values())
    bodies = [
        {"dataframe_split": {"columns": names, "data": [values], "index": [0]}},
        {"dataframe_records": [row]},
        {"instances": [row]},
        {"instances": [values]},
        {"inputs": {name: [value] for name, value in row.items()}},
        {"inputs": row},
    ]
    expected = ask(body=ROW).json
    for body in bodies:
        answer = ask("/invocations", body)
        assert answer.status == 200, answer.body
        found = answer.json["predictions"][0]
        assert (found["prediction"], found["label"]) == (expected["prediction"], expected["label"])
        assert found["probability"] == pytest.approx(expected["probability"], abs=1e-6)


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"instances": [], "inputs": []}, {"instances": {}}, {"instances": [[1]]}, {"dataframe_split": []},
        {"dataframe_split": {"columns": ["a", "a"], "data": []}}, {"inputs": {"age": [1], "sex": [1, 2]}},
    ],
)  # fmt: skip
def test_what_is_no_scoring_request(ask: Asker, body: Any) -> None:
    assert ask("/invocations", body).status == 400


def test_feedback_is_counted_for_the_version_that_answered(ask: Asker) -> None:
    row = [[ROW.get(name) for name in ask.app.table.routing.champion.rows.names]]  # type: ignore[union-attr]
    answered = ask("/api/v1.0/predictions", {"data": {"ndarray": row}, "meta": {"puid": "p"}}).json
    said = ask("/api/v1.0/feedback", {"response": answered, "reward": 0.5, "truth": {"data": {"ndarray": [[1]]}}})
    assert (said.status, said.json["meta"]["puid"]) == (200, "p")
    assert ask("/api/v1.0/feedback", {"reward": 1, "response": {"meta": {"tags": {"version": "gone"}}}}).status == 200
    text = ask("/metrics", method="GET").body.decode()
    assert 'feedback_total{model="heart_disease",version="7"} 1' in text
    assert 'feedback_reward{model="heart_disease",version="7"} 0.5' in text


def test_what_a_client_says_of_its_request_comes_back(ask: Asker) -> None:
    row = [[ROW[name] for name in ask.app.table.routing.champion.rows.names]]  # type: ignore[union-attr]
    metrics = [{"type": "COUNTER", "key": "asked", "value": 1}]
    given: dict[str, Any] = {
        "puid": "p",
        "tags": {"ward": 3, "version": "mine"},
        "metrics": metrics,
        "requestPath": {"a": "b"},
    }
    own = {"model": "heart_disease", "version": "7"}

    def meta(said: object) -> dict[str, Any]:
        found: dict[str, Any] = ask("/api/v1.0/predictions", {"data": {"ndarray": row}, "meta": said}).json["meta"]
        return found

    assert meta(given) == {**given, "tags": {"ward": 3, **own}}
    odds: list[Any] = [None, [], {"puid": "", "tags": [1], "metrics": {}, "requestPath": "x"}]
    for odd in odds:
        assert meta(odd)["tags"] == own
        assert meta(odd).keys() == {"puid", "tags"}
    refused = ask("/api/v1.0/predictions", {"data": {"ndarray": row}, "meta": {"tags": {"\ud800": 1}}})
    assert (refused.status, refused.json["detail"]) == (400, "meta is not valid text, or nested too deep")


@pytest.mark.parametrize("reward", ["1", True, None, 1e300, [1]])
def test_a_reward_is_a_number(ask: Asker, reward: Any) -> None:
    assert ask("/api/v1.0/feedback", {"reward": reward}).status == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", json.dumps(ROW).encode()[:-1] + b', "age": 40}'),
        ("/predict", b"[" + json.dumps(ROW).encode()[:-1] + b', "age": 40}]'),
        ("/predict", json.dumps({k: v for k, v in ROW.items() if k != "ca"}).encode()[:-1] + b', "age": 40}'),
        ("/invocations", b'{"inputs": {}, "inputs": {}}'),
        (INFER, b'{"inputs": [], "inputs": []}'),
    ],
)
def test_a_field_given_twice_is_refused(ask: Asker, path: str, body: bytes) -> None:
    refused = ask(path, body)
    assert refused.status == 400
    assert "given twice" in refused.json["detail"]


CELLS = st.one_of(
    st.sampled_from([math.nan, 0.0, 1.0, 2.0, 3.0, -9.0, 0.5, 1e9, -1.0, math.inf]), st.floats(-500, 700, width=32)
)


@given(st.lists(st.lists(CELLS, min_size=13, max_size=13), min_size=1, max_size=4))
def test_a_matrix_is_judged_as_its_rows_are(table: list[list[float]]) -> None:
    reader = heart_reader()
    rows = [
        {name: None if math.isnan(value) else value for name, value in zip(reader.names, row, strict=True)}
        for row in table
    ]
    expected, found = judged(lambda: reader.check(rows)), judged(lambda: check_matrix(reader, np.array(table)))
    if isinstance(expected, list):
        assert found == expected
    else:
        assert not isinstance(found, list)
        assert np.array_equal(found, expected, equal_nan=True)


TENSOR: dict[str, Any] = {"name": "features", "shape": [1, 13], "datatype": "FP32"}
TWICE = b'{"inputs": [], "inputs": [{"name": "features", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}'
VALUES = [42, 1, 4, 140, 226, 0, 0, 178, 0, 0, 1, 0, 3]


@pytest.mark.parametrize(
    ("body", "is_plain"),
    [
        ({"inputs": [{**TENSOR, "data": [VALUES]}]}, True),
        ({"inputs": [{**TENSOR, "data": VALUES}]}, True),
        ({"inputs": [{**TENSOR, "data": [None if value == 0 else value for value in VALUES]}]}, True),
        ({"inputs": [{**TENSOR, "data": [42, None, *VALUES[2:]]}]}, False),
        ({"inputs": [{**TENSOR, "data": [*VALUES[:-1], None]}]}, True),
        ({"inputs": [{**TENSOR, "data": [*VALUES[:-1], 5]}]}, False),
        ({"inputs": [{**TENSOR, "data": [*VALUES[:-1], "3"]}]}, False),
        ({"inputs": [{**TENSOR, "data": [True, *VALUES[1:]]}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES[:-1]}]}, False),
        ({"inputs": [{**TENSOR, "data": []}]}, False),
        ({"inputs": [{**TENSOR, "data": [[VALUES]]}]}, False),
        ({"inputs": [{**TENSOR, "data": [VALUES, VALUES], "shape": [2, 13]}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "shape": [13, 1]}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "shape": [1.0, 13]}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "datatype": "BYTES"}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "datatype": "FP128"}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "name": "predict"}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES, "parameters": {}}]}, False),
        ({"inputs": [{**TENSOR, "data": VALUES}], "id": ""}, True),
        ({"inputs": [{**TENSOR, "data": VALUES}], "id": "a:b"}, False),
        ({"inputs": [{**TENSOR, "data": VALUES}], "id": "a", "outputs": []}, True),
        ({"inputs": [{**TENSOR, "data": VALUES}], "outputs": [{"name": "label"}, {"name": "prediction"}]}, True),
        ({"inputs": [{**TENSOR, "data": VALUES}], "outputs": [{"name": "score"}]}, False),
        (TWICE, False),
    ],
)  # fmt: skip
def test_the_fast_way_answers_as_the_careful_one(
    heart: Model, monkeypatch: pytest.MonkeyPatch, body: Any, is_plain: bool
) -> None:
    request = Request(body if isinstance(body, bytes) else json.dumps(body).encode(), "r1", {})
    assert (open_inference_row.answer_row(heart, request) is not None) == is_plain
    found = told(lambda: open_inference.infer(heart, request))
    monkeypatch.setattr(open_inference, "answer_row", lambda *_: None)
    assert found == told(lambda: open_inference.infer(heart, request))


def told(infer: Callable[[], Any]) -> Any:
    """The answer's body, or what is wrong."""
    try:
        return infer().body
    except Problem as problem:
        return problem.status, problem.detail


def judged(check: Callable[[], Any]) -> Any:
    """The tensor, or which fields of which rows do not fit."""
    try:
        return np.array(check(), dtype=np.float32)
    except Problem as problem:
        return [(each.row, each.field) for each in problem.violations]


def heart_reader() -> RowReader:
    from project.paths import ROOT

    contract = json.loads((ROOT / "models/heart_disease/contract.json").read_bytes())
    found = [Column.parse(feature) for feature in contract["features"]]
    assert all(column.is_numeric for column in found)
    return RowReader(found)
