"""The application: routes, answers, refusals, metrics."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from serving.bundle import Model
from tests.serving_bundle import ROW
from tests.unit.serving.conftest import Asker, asker

TABLE_ROW = list(ROW.values())


def test_one_row(ask: Asker, heart: Model, heart_folder: tuple[Path, str]) -> None:
    expected = json.loads((heart_folder[0] / "serving.json").read_bytes())["example"]["probabilities"][1]
    response = ask(body=ROW, headers={"x-request-id": "abc-1"})
    assert response.status == 200
    assert response.json == {
        "prediction": int(expected >= 0.43),
        "probability": pytest.approx(expected, abs=1e-7),
        "label": heart.classes[int(expected >= 0.43)],
        "model": "heart_disease",
        "version": "7",
        "request_id": "abc-1",
    }
    assert response.headers["x-request-id"] == "abc-1"
    assert response.headers["content-length"] == str(len(response.body))


def test_a_list_gives_a_list(ask: Asker) -> None:
    sick = {**ROW, "ca": 3, "thal": 7, "cp": 4, "oldpeak": 4}
    answers = ask(body=[ROW, sick, ROW]).json
    assert [answer["label"] for answer in answers] == ["no disease", "disease", "no disease"]
    assert answers[0] == answers[2]
    assert answers[1]["probability"] > 0.9


def test_a_large_list_is_the_same_as_its_rows(ask: Asker) -> None:
    rows = [{**ROW, "age": age % 100} for age in range(500)]
    answers = ask(body=rows, chunk=10_000).json
    assert [answers[age]["probability"] for age in (0, 42, 99)] == [
        pytest.approx(ask(body=rows[age]).json["probability"], abs=1e-6) for age in (0, 42, 99)
    ]


def test_multiclass_names_every_probability(ask_flowers: Asker) -> None:
    answer = ask_flowers(body={"stem length": 30.0, "petals": 15, "colour": "yellow", "wild": True}).json
    assert (answer["prediction"], answer["label"]) == (2, "tulip")
    assert answer["probability"] == answer["probabilities"]["tulip"] == max(answer["probabilities"].values())
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert list(answer["probabilities"]) == ["daisy", "rose", "tulip"]


@pytest.mark.parametrize("prefix", ["", "/seldon/models/heart-disease", "/seldon/heart-disease"])
@pytest.mark.parametrize("version", ["v0.1", "v1.0"])
def test_seldon_ndarray(ask: Asker, prefix: str, version: str) -> None:
    probability = ask(body=ROW).json["probability"]
    answer = ask(f"{prefix}/api/{version}/predictions", {"data": {"ndarray": [TABLE_ROW]}, "meta": {"puid": "p1"}}).json
    assert answer == {
        "data": {"names": ["no disease", "disease"], "ndarray": [[pytest.approx(1 - probability), probability]]},
        "meta": {"puid": "p1", "tags": {"model": "heart_disease", "version": "7"}},
    }


def test_seldon_tensor(ask: Asker) -> None:
    values = [float(value) for value in TABLE_ROW] * 2
    data = ask("/api/v1.0/predictions", {"data": {"tensor": {"shape": [2, 13], "values": values}}}).json["data"]
    probability = ask(body=ROW).json["probability"]
    assert data["tensor"]["shape"] == [2, 2]
    assert data["tensor"]["values"][1::2] == pytest.approx([probability] * 2, abs=1e-6)
    assert "ndarray" not in data


def test_seldon_names_may_stand_in_any_order(ask: Asker) -> None:
    names = list(reversed(ROW))
    data = {"names": names, "ndarray": [[ROW[name] for name in names]]}
    answer = ask("/api/v1.0/predictions", {"data": data}).json
    assert answer["data"]["ndarray"][0][1] == ask(body=ROW).json["probability"]


@pytest.mark.parametrize(
    ("message", "status", "detail"),
    [
        pytest.param([], 400, "expected {", id="no object"),
        pytest.param({"strData": "x"}, 400, "expected {", id="another payload"),
        pytest.param({"data": {"ndarray": [1, 2]}}, 400, "data.ndarray is not a list of rows", id="flat"),
        pytest.param({"data": {"ndarray": []}}, 422, "the list has no rows", id="no rows"),
        pytest.param({"data": {"ndarray": [[1]]}}, 400, "row 1 has 1 values, expected 13: age, sex", id="narrow"),
        pytest.param({"data": {"names": "age", "ndarray": [[1]]}}, 400, "data.names is not a list", id="names"),
        pytest.param({"data": {"names": ["age", "age"], "ndarray": [[1, 1]]}}, 400, "data.names lists", id="twice"),
        pytest.param(
            {"data": {"names": ["agee"], "ndarray": [[1]]}},
            422,
            "row 1: unknown field 'agee', did you mean 'age'?",
            id="near",
        ),
        pytest.param(
            {"data": {"tensor": {"shape": [1, 2], "values": [1]}}}, 400, "data.tensor has 1 values", id="shape"
        ),
        pytest.param({"data": {"tensor": {"shape": [-1, -1], "values": [1]}}}, 400, "data.tensor has", id="negative"),
        pytest.param(
            {"data": {"tensor": {"shape": [1], "values": [1]}}}, 400, "data.tensor is not", id="one dimension"
        ),
        pytest.param({"data": {"tensor": {"shape": [0, 13], "values": []}}}, 422, "the list has no rows", id="zero"),
        pytest.param({"data": {"ndarray": [[200, *TABLE_ROW[1:]]]}}, 422, "row 1: age is 200; allowed", id="range"),
        pytest.param({"data": {"ndarray": [TABLE_ROW]}, "meta": {"puid": "\ud800"}}, 400, "meta is not", id="puid"),
    ],
)
def test_seldon_refusals(ask: Asker, message: object, status: int, detail: str) -> None:
    response = ask("/api/v1.0/predictions", message)
    assert (response.status, response.json["detail"][: len(detail)]) == (status, detail)


def test_a_refusal_is_a_problem_document(ask: Asker) -> None:
    response = ask(body=[ROW, {**ROW, "age": 200}], headers={"x-request-id": "r"})
    sentence = "row 2: age is 200; allowed: a number from 0 to 120"
    assert response.status == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.headers["x-model-name"], response.headers["x-model-version"]) == ("heart_disease", "7")
    assert response.json == {
        "type": "urn:problem:invalid-value",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": sentence,
        "request_id": "r",
        "error": sentence,
        "errors": [{"field": "age", "row": 2, "value": 200, "allowed": "a number from 0 to 120", "detail": sentence}],
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/predict", 405, "POST"),
        ("DELETE", "/seldon/a/b/api/v1.0/predictions", 405, "POST"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("OPTIONS", "/metrics", 405, "GET, HEAD"),
        ("GET", "/nowhere", 404, None),
        ("POST", "/seldon/a/b/predict", 404, None),
        ("POST", "/predict/", 404, None),
    ],
)
def test_wrong_method_or_path(ask: Asker, method: str, path: str, status: int, allow: str | None) -> None:
    response = ask(path, method=method)
    assert (response.status, response.headers.get("allow")) == (status, allow)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/vnd.seldon+json", 200),
        ("", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("\xff", 415),
    ],
)
def test_content_type(ask: Asker, content_type: str, status: int) -> None:
    assert ask(body=ROW, headers={"content-type": content_type}).status == status


def test_a_compressed_body_is_refused_by_its_header(ask: Asker) -> None:
    response = ask(body=gzip.compress(json.dumps(ROW).encode()), headers={"content-encoding": "gzip"})
    assert (response.status, response.headers["accept-encoding"]) == (415, "identity")
    assert response.json["detail"] == "content-encoding is 'gzip'; send the body as it is"
    assert ask(body=ROW, headers={"content-encoding": "Identity"}).status == 200


@pytest.mark.parametrize(
    ("size", "headers", "status"),
    [
        pytest.param(100_000, {}, 422, id="at the limit"),
        pytest.param(100_001, {}, 413, id="above it"),
        pytest.param(100_001, {"content-length": "10"}, 413, id="above it, length untrue"),
        pytest.param(10, {"content-length": "9" * 30}, 413, id="far above it, by its length alone"),
    ],
)
@pytest.mark.parametrize("chunk", [None, 7_000])
def test_body_size(ask: Asker, size: int, headers: dict[str, str], status: int, chunk: int | None) -> None:
    body = b'{"age": 1}'.ljust(size)
    response = ask(body=body, headers=headers, chunk=chunk)
    assert response.status == status
    assert response.headers.get("connection") == ("close" if status == 413 else None)


def test_no_model_yet(ask_nothing: Asker) -> None:
    ask_nothing.app.table.error = "bundle x: model.onnx does not match its sha256"
    assert ask_nothing(body=ROW).status == 503
    ready = ask_nothing("/health/ready", method="GET")
    assert (ready.status, ready.json["detail"]) == (
        503,
        "no model serves yet: bundle x: model.onnx does not match its sha256",
    )
    assert ask_nothing("/health/live", method="GET").status == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_ready_says_what_serves(ask: Asker, heart: Model, path: str) -> None:
    answer = ask(path, method="GET").json
    assert (answer["status"], answer["version"], answer["digest"]) == ("ready", "7", heart.digest)


def test_head_has_no_body(ask: Asker) -> None:
    response = ask("/health/live", method="HEAD")
    assert (response.status, response.body, response.headers["content-length"]) == (200, b"", "18")


def test_request_ids(ask: Asker) -> None:
    made = [ask(body=ROW).json["request_id"] for _ in range(3)]
    assert len(set(made)) == 3
    for bad in ("a b", "x" * 129, ""):
        assert ask(body=ROW, headers={"x-request-id": bad}).headers["x-request-id"] not in (bad, *made)


def test_metrics(ask: Asker, heart: Model) -> None:
    ask(body=[ROW, ROW, {**ROW, "ca": 3, "thal": 7, "cp": 4}])
    ask(body=ROW)
    ask(body={})
    ask("/nowhere")
    lines = ask("/metrics", method="GET").body.decode().splitlines()
    of = 'model="heart_disease",version="7"'
    assert f'model_info{{{of},digest="{heart.digest}"}} 1' in lines
    assert f'predictions_total{{{of},label="no disease"}} 3' in lines
    assert f'predictions_total{{{of},label="disease"}} 1' in lines
    assert f"prediction_duration_seconds_count{{{of}}} 2" in lines
    assert f'prediction_duration_seconds_bucket{{{of},le="+Inf"}} 2' in lines
    assert 'http_responses_total{route="/predict",status="200"} 2' in lines
    assert 'http_responses_total{route="/predict",status="422"} 1' in lines
    assert 'http_responses_total{route="other",status="404"} 1' in lines


def test_metrics_add_up_over_workers(ask: Asker, heart: Model, tmp_path: Path) -> None:
    ask(body=[ROW, ROW])
    other = asker(heart, tmp_path)
    other(body=ROW)
    other.app.siblings = lambda: [json.loads(json.dumps(ask.app.metrics.snapshot()))]
    text = other("/metrics", method="GET").body.decode()
    assert 'predictions_total{model="heart_disease",version="7",label="no disease"} 3' in text


@pytest.mark.filterwarnings("error")
def test_hostile_bodies_are_never_our_fault(ask: Asker) -> None:
    random = np.random.default_rng(0)
    good = json.dumps(ROW).encode()
    for _ in range(2000):
        body = bytearray(good)
        for _ in range(random.integers(1, 4)):
            start, length = int(random.integers(0, len(body))), int(random.integers(0, 4))
            body[start : start + length] = random.bytes(int(random.integers(0, 4)))
        path = ("/predict", "/api/v1.0/predictions")[random.integers(0, 2)]
        response = ask(path, bytes(body))
        assert response.status < 500
        assert response.json["request_id" if "request_id" in response.json else "meta"]
