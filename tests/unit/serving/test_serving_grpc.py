"""The gRPC service by grpclib's own client over HTTP/2: what is refused, and how."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.testing import ChannelFor

from serving import open_inference_pb2 as pb
from serving.access import Access
from serving.app import App
from serving.bundle import Model
from serving.grpc_server import SERVICE, Raw, Service
from serving.keys import KeyRing, write_keys
from serving.limits import Policy
from serving.metrics import Metrics
from serving.plan import Routing
from serving.request_log import Lines, RequestLog
from serving.traffic import TrafficTable
from tests.serving_bundle import ROW

MAX_BODY = 20_000


def app(model: Model | None, folder: Path, **more: Any) -> App:
    table = TrafficTable(folder)
    table.routing = Routing(model) if model else None
    return App(table, Metrics(), max_body=MAX_BODY, **more)


def over(application: App, ask: Callable[[Channel], Awaitable[Any]]) -> Any:
    """What a client is told."""

    async def run() -> Any:
        async with ChannelFor([Service(application)], codec=Raw()) as channel:
            return await ask(channel)

    return asyncio.run(run())


def called(application: App, name: str, message: bytes) -> bytes:
    """The answer to one call."""
    answer: bytes = over(
        application, lambda channel: UnaryUnaryMethod(channel, f"{SERVICE}/{name}", bytes, bytes)(message)
    )
    return answer


def refused(application: App, name: str, message: bytes) -> tuple[Status, str]:
    with pytest.raises(GRPCError) as error:
        called(application, name, message)
    return error.value.status, error.value.message or ""


def framed(application: App, frame: bytes) -> bytes:
    """The answer to a call whose frame is written by hand."""

    async def ask(channel: Channel) -> bytes:
        method: UnaryUnaryMethod[bytes, bytes] = UnaryUnaryMethod(channel, f"{SERVICE}/ModelInfer", bytes, bytes)
        async with method.open() as stream:
            await stream.send_request()
            await stream._stream.send_data(frame, end_stream=True)
            stream._end_done = stream._send_message_done = True
            answer = await stream.recv_message()
            assert answer is not None
            return answer

    found: bytes = over(application, ask)
    return found


def row_of(model: Model) -> list[float]:
    return [float(ROW[name]) for name in model.rows.names]


def request_of(model: Model, **change: Any) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="heart_disease", id="r1", **change)
    width = len(model.rows.names)
    tensor = request.inputs.add(name="features", datatype="FP64", shape=[1, width])
    tensor.contents.fp64_contents.extend(row_of(model))
    return request


def test_values_in_the_message_are_answered_in_the_message(heart: Model, tmp_path: Path) -> None:
    application = app(heart, tmp_path)
    reply = pb.ModelInferResponse.FromString(called(application, "ModelInfer", request_of(heart).SerializeToString()))
    outputs = {each.name: each.contents for each in reply.outputs}
    assert (reply.model_name, reply.model_version, reply.id) == ("heart_disease", "7", "r1")
    assert list(outputs["prediction"].int64_contents) == [0]
    assert list(outputs["label"].bytes_contents) == [b"no disease"]
    assert sum(outputs["probabilities"].fp32_contents) == pytest.approx(1, abs=1e-6)
    assert list(reply.raw_output_contents) == []
    assert application.metrics.responses[f"{SERVICE}/ModelInfer", 200] == 1


def test_raw_values_are_answered_raw(heart: Model, tmp_path: Path) -> None:
    request = request_of(heart)
    del request.inputs[0].contents.fp64_contents[:]
    request.raw_input_contents.append(np.array(row_of(heart), dtype="<f8").tobytes())
    reply = pb.ModelInferResponse.FromString(called(app(heart, tmp_path), "ModelInfer", request.SerializeToString()))
    assert [each.name for each in reply.outputs] == ["prediction", "probabilities", "label"]
    assert reply.raw_output_contents[0] == struct.pack("<q", 0)
    assert reply.raw_output_contents[2] == struct.pack("<I", 10) + b"no disease"


Change = Callable[[Any], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda request: request.raw_input_contents.extend([b"", b""]), "1 inputs, but 2 raw_input_contents"),
        (lambda request: setattr(request.inputs[0], "datatype", "FP31"), "datatype is 'FP31'; known: BOOL"),
        (lambda request: setattr(request.inputs[0], "datatype", "FP16"), "FP16 comes in raw_input_contents"),
        (lambda request: request.inputs[0].shape.append(2), "has 3 dimensions, expected [rows] or [rows, columns]"),
        (lambda request: request.inputs[0].shape.__setitem__(0, -1), "13 values, which shape [-1, 13] does not hold"),
        (lambda request: request.inputs[0].contents.fp64_contents.__setitem__(0, 200), "row 1: age is 200; allowed"),
        (lambda request: request.outputs.add(name="logits"), "there is no output 'logits'"),
        (lambda request: [request.outputs.add(name="label") for _ in range(2)], "output 'label' is given twice"),
        (lambda request: request.ClearField("inputs"), "the list has no rows"),
    ],
)
def test_a_message_that_does_not_fit(heart: Model, tmp_path: Path, change: Change, said: str) -> None:
    request = request_of(heart)
    change(request)
    status, message = refused(app(heart, tmp_path), "ModelInfer", request.SerializeToString())
    assert status is Status.INVALID_ARGUMENT
    assert said in message


def test_a_text_that_is_none(flowers: Model, tmp_path: Path) -> None:
    request = pb.ModelInferRequest(model_name="flowers")
    for name, datatype, field, value in (
        ("colour", "BYTES", "bytes_contents", b"\xff"), ("wild", "BOOL", "bool_contents", True),
    ):  # fmt: skip
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[1])
        getattr(tensor.contents, field).append(value)
    status, message = refused(app(flowers, tmp_path), "ModelInfer", request.SerializeToString())
    assert (status, message) == (Status.INVALID_ARGUMENT, "input 'colour': a text is not UTF-8")


def test_bytes_that_are_no_message(heart: Model, tmp_path: Path) -> None:
    assert refused(app(heart, tmp_path), "ModelInfer", b"\xff\xff") == (
        Status.INVALID_ARGUMENT, "the message is no ModelInferRequest",
    )  # fmt: skip


def test_names_of_others(heart: Model, tmp_path: Path) -> None:
    application = app(heart, tmp_path)
    for name, kind in (("ModelReady", pb.ModelReadyRequest), ("ModelMetadata", pb.ModelMetadataRequest)):
        status, message = refused(application, name, kind(name="heart_disease", version="8").SerializeToString())
        assert status is Status.NOT_FOUND
        assert message == "heart_disease version 7 is here, not heart_disease version 8"


def test_a_server_without_a_model(tmp_path: Path) -> None:
    empty = app(None, tmp_path)
    assert pb.ServerLiveResponse.FromString(called(empty, "ServerLive", b"")).live
    assert not pb.ServerReadyResponse.FromString(called(empty, "ServerReady", b"")).ready
    assert pb.ServerMetadataResponse.FromString(called(empty, "ServerMetadata", b"")).version == ""
    ready = pb.ModelReadyRequest(name="heart_disease").SerializeToString()
    assert refused(empty, "ModelReady", ready)[0] is Status.UNAVAILABLE


def frame(message: bytes, *, compressed: bool = True, length: int | None = None) -> bytes:
    return struct.pack(">?I", compressed, len(message) if length is None else length) + message


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_compressed_message(heart: Model, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    message = pack(request_of(heart).SerializeToString())
    reply = pb.ModelInferResponse.FromString(framed(app(heart, tmp_path), frame(message)))
    assert reply.id == "r1"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (frame(b"x" * 30), Status.UNIMPLEMENTED, "neither by gzip nor by deflate"),
        (frame(gzip.compress(b"x" * 100, mtime=0)[:-4]), Status.INVALID_ARGUMENT, "ends too soon"),
        (frame(gzip.compress(bytes(MAX_BODY + 1), mtime=0)), Status.RESOURCE_EXHAUSTED, "larger than 20000 bytes"),
        (frame(b"", compressed=False, length=MAX_BODY + 1), Status.RESOURCE_EXHAUSTED, "larger than 20000 bytes"),
        (frame(b"x", compressed=False, length=9), Status.INVALID_ARGUMENT, "ends too soon"),
        (b"", Status.INVALID_ARGUMENT, "ends too soon"),
        (b"\0\0", Status.INVALID_ARGUMENT, "ends too soon"),
    ],
)
def test_a_frame_that_is_refused(heart: Model, tmp_path: Path, sent: bytes, status: Status, said: str) -> None:
    application = app(heart, tmp_path)
    with pytest.raises(GRPCError) as error:
        framed(application, sent)
    assert error.value.status is status
    assert said in (error.value.message or "")
    counted = {
        Status.UNIMPLEMENTED: 415, Status.RESOURCE_EXHAUSTED: 413, Status.INVALID_ARGUMENT: 400,
    }  # fmt: skip
    assert application.metrics.responses == {(f"{SERVICE}/ModelInfer", counted[status]): 1}


@pytest.mark.parametrize(
    "sent", [frame(b"\xff\xff", compressed=False), frame(b"x" * 30), frame(b"", length=MAX_BODY + 1)]
)
def test_who_may_not_ask_is_told_so_whatever_comes_behind(heart: Model, tmp_path: Path, sent: bytes) -> None:
    write_keys(tmp_path / "keys.json", [])
    log = RequestLog(Lines(tmp_path / "requests.jsonl", 10_000, 3))
    policy = Policy("address", rate=0.001, burst=1)
    guarded = app(heart, tmp_path, access=Access(KeyRing(tmp_path / "keys.json"), by_address=policy), log=log)
    statuses = []
    for _ in range(2):
        with pytest.raises(GRPCError) as error:
            framed(guarded, sent)
        statuses.append(error.value.status)
    assert statuses == [Status.UNAUTHENTICATED, Status.RESOURCE_EXHAUSTED]
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [
        (f"{SERVICE}/ModelInfer", 401), (f"{SERVICE}/ModelInfer", 429),
    ]  # fmt: skip
