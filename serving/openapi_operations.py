"""What each route takes and gives, for the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from serving import explain, uncertainty
from serving.openapi_schemas import Schema, listed, ref
from serving.rows import MAX_ROWS

JSON, HTML = "application/json", "text/html"
TEXT: Schema = {"type": "string"}
BINARY: Schema = {
    "description": "JSON, its length in `Inference-Header-Content-Length`, then the tensors as Triton has them.",
    "contentMediaType": "application/octet-stream",
}
BUDGET: Schema = {
    "name": "budget_ms",
    "in": "query",
    "description": "Milliseconds that it may take; what can not be exact in that time is estimated.",
    "schema": {
        "type": "integer",
        "minimum": explain.LEAST_MS,
        "maximum": explain.MOST_MS,
        "default": explain.BUDGET_MS,
    },
}

INTERVAL: Schema = {
    "name": "interval",
    "in": "query",
    "description": "Ask for the classes that hold the true one in this share of rows, and for what of the row is new.",
    "schema": {"type": "string", "pattern": f"^{uncertainty.LEVEL}$", "examples": ["0.9"]},
}


def operations(names: Sequence[str], example: Mapping[str, Any]) -> dict[tuple[str, str], Schema]:
    """Every operation by method and path.

    Args:
        names: The columns, in tensor order.
        example: A row that fits.
    """
    table = [example.get(name) for name in names]
    seldon = {"data": {"names": list(names), "ndarray": [table]}}
    records = {"dataframe_records": [dict(example)]}
    found = [
        _post("/predict", "Rows", "Predict one row, or a list of them", _rows(MAX_ROWS), _answers("Prediction"),
              example, INTERVAL),
        _post("/explain", "Rows", "Say what each field adds to the probability", _rows(explain.MAX_ROWS),
              _answers("Explanation"), example, BUDGET),
        *(
            each
            for version in ("v0.1", "v1.0")
            for each in (
                _post(f"/api/{version}/predictions", "Seldon V1", "Predict rows", ref("SeldonMessage"),
                      ref("SeldonAnswer"), seldon),
                _post(f"/api/{version}/feedback", "Seldon V1", "Say how good an answer was", ref("SeldonFeedback"),
                      {"type": "object"}, {"reward": 1}),
            )
        ),
        _post("/invocations", "MLflow", "Predict rows", ref("MlflowRequest"), ref("MlflowAnswer"), records),
        _get("/ping", "MLflow", "Whether a model serves", ref("Ready")),
        *_open_inference(names, example),
        _get("/health", "Server", "Whether a model serves", ref("Ready")),
        _get("/health/live", "Server", "Whether the process answers", ref("Health")),
        _get("/health/ready", "Server", "Whether a model serves", ref("Ready")),
        _get("/metrics", "Server", "Counters for Prometheus", TEXT, "text/plain"),
        _get("/traffic", "Server", "Which versions answer, and what was seen of challengers", {"type": "object"}),
        _get("/", "Documents", "A form for one row", TEXT, HTML),
        _get("/docs", "Documents", "This document, to read and to try", TEXT, HTML),
        _get("/openapi.json", "Documents", "This document", {"type": "object"}),
        _get("/static/{name}", "Documents", "A file that a page needs", TEXT, "*/*"),
    ]  # fmt: skip
    return dict(found)


def _open_inference(names: Sequence[str], example: Mapping[str, Any]) -> list[tuple[tuple[str, str], Schema]]:
    tag = "Open Inference V2"
    measured = [(name, example[name]) for name in names if example.get(name) is not None]
    inputs = [
        {"name": name, "datatype": "BYTES" if isinstance(value, str) else "FP64", "shape": [1], "data": [value]}
        for name, value in measured
    ]
    models = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    messages = ref("V2Request"), ref("V2Answer")
    return [
        _get("/v2", tag, "What server this is", ref("V2Server")),
        _get("/v2/health/live", tag, "Whether the process answers", {"type": "object"}),
        _get("/v2/health/ready", tag, "Whether a model serves", {"type": "object"}),
        *(_get(path, tag, "What the model takes and gives", ref("V2Model")) for path in models),
        *(_get(f"{path}/ready", tag, "Whether the model serves", {"type": "object"}) for path in models),
        *(_also_binary(_post(f"{path}/infer", tag, "Predict rows", *messages, {"inputs": inputs})) for path in models),
    ]


def _also_binary(found: tuple[tuple[str, str], Schema]) -> tuple[tuple[str, str], Schema]:
    """An operation whose tensors may follow their JSON as bytes, both ways."""
    (method, path), operation = found
    for message in (operation["requestBody"], operation["responses"]["200"]):
        message["content"]["application/octet-stream"] = {"schema": BINARY}
    return (method, path), operation


def _rows(most: int) -> Schema:
    return {"anyOf": [ref("Row"), listed(ref("Row"), minItems=1, maxItems=most)]}


def _answers(name: str) -> Schema:
    return {"anyOf": [ref(name), listed(ref(name))]}


def _post(
    path: str, tag: str, summary: str, body: Schema, answer: Schema, example: Any = None, *parameters: Schema
) -> tuple[tuple[str, str], Schema]:
    media = {"schema": body} if example is None else {"schema": body, "example": example}
    operation = {"requestBody": {"required": True, "content": {JSON: media}}}
    return ("POST", path), {**_operation("post", path, tag, summary, answer, JSON, parameters), **operation}


def _get(path: str, tag: str, summary: str, answer: Schema, media: str = JSON) -> tuple[tuple[str, str], Schema]:
    return ("GET", path), _operation("get", path, tag, summary, answer, media)


def _operation(
    method: str, path: str, tag: str, summary: str, answer: Schema, media: str, parameters: Sequence[Schema] = ()
) -> Schema:
    named = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in re.findall(r"{(\w+)}", path)]
    headers = {"X-Request-Id": {"description": "The client's own, if it sent one.", "schema": TEXT}}
    operation = {
        "operationId": re.sub(r"\W+", "_", f"{method}{path}").strip("_"),
        "tags": [tag],
        "summary": summary,
        "responses": {"200": {"description": "Done.", "headers": headers, "content": {media: {"schema": answer}}}},
    }
    return {**operation, "parameters": [*named, *parameters]} if named or parameters else operation
