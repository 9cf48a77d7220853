"""Every reader of what clients send, in this process: an answer, or a problem that says what is allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving import open_inference_pb2 as pb
from serving.access import Access
from serving.bundle import Model, load
from serving.dispatch import find, refusal
from serving.grpc_server import infer
from serving.http import LENGTH, Answer, Request
from serving.problems import Problem
from serving.tensors import DATATYPES
from tests.security.hostile import VALUES, bodies, encoded, messages
from tests.serving_bundle import flower_bundle, heart_bundle

EXAMPLES = 60
MODELS: dict[str, Model] = {}
ROUTES = [
    "/predict", "/predict#list", "/explain?budget_ms=1", "/api/v1.0/predictions", "/api/v0.1/predictions",
    "/api/v1.0/feedback", "infer", "infer#matrix", "/invocations", "/invocations#records", "/invocations#instances",
    "/invocations#inputs",
]  # fmt: skip
quietly = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", params=["heart", "flowers"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of numbers, and one of texts, missing codes and three classes."""
    folder: Path = tmp_path_factory.mktemp("bundle")
    digest = heart_bundle(folder) if request.param == "heart" else flower_bundle(folder)
    return load(folder, "1", digest)


def judged(path: str, model: Model, body: bytes, **headers: str) -> Answer | Problem:
    """What the handler of a path says; a problem must be the client's and say what is allowed."""
    route, parameters = find("POST", path.partition("?")[0])
    assert route is not None
    given_headers = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    request = Request(body, "r1", given_headers, parameters, query=path.partition("?")[2].encode())
    try:
        answer = route.handler(model, request)
    except Problem as problem:
        check(problem)
        return problem
    if answer.content_type == b"application/json":
        json.loads(answer.body, parse_constant=pytest.fail)
    return answer


def check(problem: Problem) -> None:
    document = json.loads(problem.body("r1"), parse_constant=pytest.fail)
    assert 400 <= document["status"] < 500
    assert document["detail"]
    if document["type"] == "urn:problem:invalid-value":
        assert document["status"] == 422
        assert document["errors"]
        assert all("field" in each and each["allowed"] for each in document["errors"])


@pytest.mark.parametrize("name", ROUTES)
def test_changed_messages(model: Model, name: str) -> None:
    path = name.replace("infer", f"/v2/models/{model.name}/infer")
    message = messages(model)[path]
    plain = path.partition("#")[0]
    matrix_of_texts = name == "infer#matrix" and model.name == "flowers"
    assert isinstance(judged(plain, model, encoded(message)), Problem if matrix_of_texts else Answer)

    @quietly
    @given(body=bodies(message))
    def attack(body: bytes) -> None:
        judged(plain, model, body)

    attack()


@quietly
@given(
    sizes=st.lists(st.integers(-1, 200) | st.just(2**63), min_size=1, max_size=3),
    alone=st.booleans(),
    datatype=st.sampled_from([*DATATYPES, "FP128", ""]),
    shape=st.lists(st.integers(-1, 20) | st.just(2**31 - 1), max_size=4),
    data=st.binary(max_size=300),
    length=st.integers(-5, 900) | st.just("0" * 5000) | st.just("²"),
)
def test_tensors(
    model: Model, sizes: list[int], alone: bool, datatype: str, shape: list[int], data: bytes, length: int | str
) -> None:
    names = ("features",) if alone else (*model.rows.names, "features")
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}
        for name, size in zip(names, sizes, strict=False)
    ]
    head = encoded({"inputs": inputs})
    path = f"/v2/models/{model.name}/infer"
    judged(path, model, head + data, **{LENGTH.decode(): str(len(head))})
    judged(path, model, head + data, **{LENGTH.decode(): str(length)})


@quietly
@given(
    body=st.binary(max_size=300),
    names=st.lists(st.sampled_from(["age", "sex", "features", "colour", "x"]), max_size=4),
    datatype=st.sampled_from([*DATATYPES, "FP128"]),
    shape=st.lists(st.integers(-1, 20) | st.just(2**62), max_size=4),
    raw=st.lists(st.binary(max_size=120), max_size=4),
    numbers=st.lists(st.floats(), max_size=20),
)
def test_messages_over_grpc(
    model: Model, body: bytes, names: list[str], datatype: str, shape: list[int], raw: list[bytes], numbers: list[float]
) -> None:
    message = pb.ModelInferRequest(model_name=model.name, raw_input_contents=raw)
    for name in names:
        tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
        tensor.contents.fp64_contents.extend(numbers)
        tensor.contents.bytes_contents.extend(raw)
    for sent in (message.SerializeToString(), body):
        try:
            infer(model, Request(sent, "r1", {}))
        except Problem as problem:
            check(problem)


@quietly
@given(method=st.text(max_size=10), path=st.text(max_size=100))
def test_addresses(method: str, path: str) -> None:
    route, _ = find(method, path)
    if route is None:
        check(refusal(method, path))


@quietly
@given(
    client=st.ip_addresses().map(str) | st.text(max_size=20),
    forwarded=st.lists(st.ip_addresses().map(str) | st.text(alphabet=st.characters(max_codepoint=255)), max_size=4),
    authorization=st.text(alphabet=st.characters(max_codepoint=255), max_size=60),
)
def test_headers_about_the_caller(client: str, forwarded: list[str], authorization: str) -> None:
    from ipaddress import ip_network

    access = Access(proxies=[ip_network("0.0.0.0/0"), ip_network("::/0")])
    headers = {
        b"x-forwarded-for": ",".join(forwarded).encode("latin-1"),
        b"authorization": authorization.encode("latin-1"),
    }
    assert isinstance(access.subject(Request(b"", "", headers, client=client)), str)


def test_costs_do_not_grow_with_the_square_of_a_body(model: Model) -> None:
    """Each of these would take from minutes to hours if they did, and time out."""
    names = b",".join(b'"%d":0' % number for number in range(400_000))
    assert "given twice" in str(judged("/predict", model, b'{%b,"399999":0}' % names))
    rows = b"[%b]" % b",".join([b'{"%b":0}' % (b"q" * 70)] * 9_999)
    assert isinstance(judged("/predict", model, rows), Problem)
    shape = b",".join([b"2147483647"] * 380_000)
    tensor = b'{"name":"age","datatype":"FP64","data":[1],"shape":[%b]}' % shape
    found = judged(f"/v2/models/{model.name}/infer", model, b'{"inputs":[%b]}' % tensor)
    assert "380000 dimensions" in str(found)
    message = pb.ModelInferRequest(inputs=[{"name": "age", "datatype": "FP64", "shape": [2**62] * 400_000}])
    with pytest.raises(Problem, match="400000 dimensions"):
        infer(model, Request(message.SerializeToString(), "r1", {}))


@quietly
@given(value=VALUES)
def test_any_json_at_every_route(model: Model, value: Any) -> None:
    for path in messages(model):
        judged(path.partition("#")[0], model, encoded(value))
