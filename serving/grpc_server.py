"""The Open Inference protocol, version 2, over gRPC: the same handlers and rules as over REST.

Messages pass grpclib as bytes, so that a call is a `Request` like any other: traffic plan, keys, limits, counters and
the request log are the application's.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.server import Stream

from serving import open_inference_pb2 as pb
from serving.app import App
from serving.bundle import Model
from serving.grpc_connections import GrpcServer
from serving.grpc_messages import receive, send
from serving.http import Answer, Request, Route
from serving.open_inference import Tensor, answer, described
from serving.problems import Problem, malformed
from serving.tensors import DATATYPES, check_shape, decode, encode

SERVICE = "/inference.GRPCInferenceService"
CONTENTS = {
    "BOOL": "bool_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Where the values of a datatype are; FP16 comes as raw bytes alone."""
PROTO = b"application/grpc+proto"
SMALL = 1024
"""Bytes that a message without fields may have all the same: those of fields to come."""
STATUSES = {
    HTTPStatus.UNAUTHORIZED: Status.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: Status.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: Status.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS: Status.RESOURCE_EXHAUSTED,
    HTTPStatus.SERVICE_UNAVAILABLE: Status.UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: Status.INTERNAL,
}
"""What is not here is an invalid argument."""
UNREAD = {
    Status.RESOURCE_EXHAUSTED: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Status.DEADLINE_EXCEEDED: HTTPStatus.REQUEST_TIMEOUT,
    Status.UNIMPLEMENTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""As what a message that can not be read is counted; any other is a bad request."""
TOLD = ("x-request-id", "x-model-name", "x-model-version", "ratelimit", "ratelimit-policy", "retry-after")


class Raw(CodecBase):
    """Messages as the bytes they are."""

    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: Any) -> bytes:
        """Nothing to do."""
        return message

    def decode(self, data: bytes, message_type: Any) -> bytes:
        """Nothing to do."""
        return data


def infer(model: Model, request: Request) -> Answer:
    """`ModelInfer`.

    Raises:
        Problem: The inputs are not the model's, or a value does not fit the contract.
    """
    message = _parse(pb.ModelInferRequest, request.body)
    outputs, predicted = answer(model, _inputs(message), [each.name for each in message.outputs])
    reply = pb.ModelInferResponse(model_name=model.name, model_version=model.version, id=message.id or request.id)
    for tensor in outputs:
        said = reply.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if message.raw_input_contents:  # answered in the form that was sent, as Triton does
            reply.raw_output_contents.append(encode(tensor.datatype, tensor.values))
        elif tensor.datatype == "BYTES":
            said.contents.bytes_contents.extend(text.encode() for text in tensor.values)
        else:
            getattr(said.contents, CONTENTS[tensor.datatype]).extend(tensor.values.tolist())
    return Answer(reply.SerializeToString(), predicted, PROTO)


def metadata(model: Model, request: Request) -> Answer:
    """`ModelMetadata`."""
    return Answer(pb.ModelMetadataResponse(**described(model)).SerializeToString(), content_type=PROTO)


def ready(model: Model, request: Request) -> Answer:
    """`ModelReady`."""
    return Answer(pb.ModelReadyResponse(ready=True).SerializeToString(), content_type=PROTO)


class Service:
    """The calls of one worker.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def __mapping__(self) -> Mapping[str, Handler]:
        """What grpclib calls for which path."""
        calls: dict[str, Callable[[Stream[bytes, bytes]], Awaitable[None]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model(pb.ModelReadyRequest, Route("POST", f"{SERVICE}/ModelReady", ready, "", ())),
            "ModelMetadata": self._model(
                pb.ModelMetadataRequest, Route("POST", f"{SERVICE}/ModelMetadata", metadata, "", ())
            ),
            "ModelInfer": self._model(pb.ModelInferRequest, Route("POST", f"{SERVICE}/ModelInfer", infer, types=())),
        }
        return {
            f"{SERVICE}/{name}": Handler(call, Cardinality.UNARY_UNARY, bytes, bytes) for name, call in calls.items()
        }

    def _model(self, kind: type[Message], route: Route) -> Callable[[Stream[bytes, bytes]], Awaitable[None]]:
        """A call that a model answers."""

        async def call(stream: Stream[bytes, bytes]) -> None:
            given = {name.lower().encode(): str(value).encode() for name, value in (stream.metadata or {}).items()}
            request = Request(b"", "", given, method="POST", path=route.path)
            peer = stream.peer.addr()
            request.client = peer[0] if peer else ""
            unread: list[Status] = []

            async def message() -> dict[str, Any]:
                try:
                    body = await receive(stream, self.app.max_body)
                except GRPCError as error:
                    unread.append(error.status)
                    status = UNREAD.get(error.status, HTTPStatus.BAD_REQUEST)
                    raise Problem(status, "unread-message", error.message or "") from None
                request.parameters = _addressed(_parse(kind, body))
                return {"type": "http.request", "body": body}

            response = await self.app.respond(request, message, route)  # read once the caller is let in
            if response is None:
                return
            told = {name.decode(): value.decode() for name, value in response.headers if name.decode() in TOLD}
            if response.status != HTTPStatus.OK:
                status = unread[0] if unread else STATUSES.get(HTTPStatus(response.status), Status.INVALID_ARGUMENT)
                detail = json.loads(response.body)["detail"]
                await stream.send_trailing_metadata(status=status, status_message=detail, metadata=told)
                return
            await stream.send_initial_metadata(metadata=told)
            await send(stream, response.body)

        return call

    async def _server_live(self, stream: Stream[bytes, bytes]) -> None:
        await receive(stream, SMALL)
        await stream.send_message(pb.ServerLiveResponse(live=True).SerializeToString())

    async def _server_ready(self, stream: Stream[bytes, bytes]) -> None:
        await receive(stream, SMALL)
        is_ready = self.app.table.routing is not None
        await stream.send_message(pb.ServerReadyResponse(ready=is_ready).SerializeToString())

    async def _server_metadata(self, stream: Stream[bytes, bytes]) -> None:
        await receive(stream, SMALL)
        version = self.app.table.routing.champion.version if self.app.table.routing else ""
        said = pb.ServerMetadataResponse(name="tabular", version=version, extensions=["binary_tensor_data"])
        await stream.send_message(said.SerializeToString())


def grpc_server(app: App) -> GrpcServer:
    """A server that answers with the application; `start(sock=...)` begins."""
    return GrpcServer([Service(app)], codec=Raw())


def _parse(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError:
        raise malformed(f"the message is no {kind.DESCRIPTOR.name}") from None


def _addressed(message: Any) -> dict[str, str]:
    named = {"model": getattr(message, "model_name", "") or getattr(message, "name", "")}
    version = getattr(message, "model_version", "") or getattr(message, "version", "")
    return {**named, "version": version} if version else named


def _inputs(message: Any) -> list[Tensor]:
    raw = message.raw_input_contents
    if raw and len(raw) != len(message.inputs):
        raise malformed(f"{len(message.inputs)} inputs, but {len(raw)} raw_input_contents")
    found = []
    for number, each in enumerate(message.inputs):
        name, shape = each.name[:80], list(each.shape)
        if each.datatype not in DATATYPES:
            raise malformed(f"input {name!r}: datatype is {each.datatype[:20]!r}; known: {', '.join(DATATYPES)}")
        values = decode(name, each.datatype, raw[number]) if raw else _contents(name, each)
        check_shape(name, shape, len(values))
        found.append(Tensor(name, each.datatype, shape, values))
    return found


def _contents(name: str, tensor: Any) -> Any:
    if tensor.datatype not in CONTENTS:
        raise malformed(f"input {name!r}: {tensor.datatype} comes in raw_input_contents")
    values = getattr(tensor.contents, CONTENTS[tensor.datatype])
    if tensor.datatype != "BYTES":
        return np.array(values, dtype=np.float64)
    try:
        return [text.decode() for text in values]
    except UnicodeDecodeError:
        raise malformed(f"input {name!r}: a text is not UTF-8") from None
