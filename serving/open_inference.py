"""The Open Inference protocol, version 2, over REST: https://github.com/kserve/open-inference-protocol.

Rows come as one tensor per column, or, where every column is numeric, as one tensor `features` of shape
[rows, columns] in contract order. Values are the contract's: codes of categories, not their positions. NaN means
"not measured". The binary tensor extension of Triton is understood both ways.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.bundle import Model
from serving.columns import Column
from serving.http import JSON, LENGTH, Answer, Request, Route
from serving.matrix import check_matrix
from serving.open_inference_row import FEATURES, OUTPUTS, answer_row, reply
from serving.problems import malformed
from serving.rows import parse
from serving.tensors import DATATYPES, check_shape, decode, encode

OCTETS = b"application/octet-stream"
DIGITS = 20


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output; `values` is flat, in row-major order."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Any
    """A NumPy array, or a list of strings for BYTES."""


def infer(model: Model, request: Request) -> Answer:
    """`POST /v2/models/NAME[/versions/VERSION]/infer`.

    Raises:
        Problem: The body is not such a message, or a value does not fit the contract.
    """
    found = answer_row(model, request)
    if found is not None:
        return found
    head, binary = request.body, b""
    length = request.headers.get(LENGTH)
    if length is not None:
        if not (length.isdigit() and len(length) <= DIGITS and int(length) <= len(request.body)):
            raise malformed(f"{LENGTH.decode()} is {length.decode('latin-1')[:20]!r}, the body has {len(head)} bytes")
        head, binary = request.body[: int(length)], request.body[int(length) :]
    message = parse(head)
    if not isinstance(message, dict) or not isinstance(message.get("inputs"), list):
        raise malformed('expected {"inputs": [{"name": …, "shape": […], "datatype": …, "data": […]}]}')
    outputs, predicted = answer(model, _inputs(message["inputs"], binary), _requested(message))
    parameters = message.get("parameters")
    all_binary = isinstance(parameters, dict) and parameters.get("binary_data_output") is True
    chosen = {
        each["name"]
        for each in message.get("outputs") or ()
        if (each.get("parameters") or {}).get("binary_data") is True
    }
    listed, raw = [], b""
    for tensor in outputs:
        said: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if tensor.name in chosen or (all_binary and not message.get("outputs")):
            encoded = encode(tensor.datatype, tensor.values)
            said["parameters"] = {"binary_data_size": len(encoded)}
            raw += encoded
        else:
            said["data"] = tensor.values if tensor.datatype == "BYTES" else tensor.values.tolist()
        listed.append(said)
    given = message.get("id")
    body = reply(model, given if isinstance(given, str) and given else request.id, listed)
    if not raw:
        return Answer(body, predicted)
    return Answer(body + raw, predicted, OCTETS, [(LENGTH, b"%d" % len(body))])


def answer(model: Model, inputs: Sequence[Tensor], requested: Sequence[str]) -> tuple[list[Tensor], list[int]]:
    """The outputs that were asked for (all if none is named), and the predicted class of each row.

    Raises:
        Problem: The inputs are not the model's, or a value does not fit the contract.
    """
    unknown = [name for name in requested if name not in OUTPUTS]
    if unknown:
        raise malformed(f"there is no output {unknown[0][:80]!r}; outputs: {', '.join(OUTPUTS)}")
    if len(set(requested)) < len(requested):  # each would be a tensor of its own
        raise malformed(f"output {_repeated(requested)!r} is given twice")
    rows = _rows(model, inputs)
    probabilities = np.array([model.one(rows[0])], dtype=np.float32) if len(rows) == 1 else model.infer(rows)
    predicted = [model.choose(row) for row in probabilities.tolist()]
    return [_output(model, name, probabilities, predicted) for name in requested or OUTPUTS], predicted


def _output(model: Model, name: str, probabilities: Any, predicted: Sequence[int]) -> Tensor:
    count, classes = probabilities.shape
    match name:
        case "prediction":
            return Tensor(name, OUTPUTS[name], (count,), np.array(predicted, dtype=np.int64))
        case "probabilities":
            return Tensor(name, OUTPUTS[name], (count, classes), probabilities.ravel())
    return Tensor(name, OUTPUTS[name], (count,), [model.classes[index] for index in predicted])


def metadata(model: Model, request: Request) -> Answer:
    """`GET /v2/models/NAME[/versions/VERSION]`."""
    return Answer(json.dumps(described(model)).encode())


def described(model: Model) -> dict[str, Any]:
    """The model's inputs and outputs."""
    inputs = [{"name": column.name, "datatype": _datatype(column), "shape": [-1]} for column in model.rows.columns]
    shapes = {"prediction": [-1], "probabilities": [-1, len(model.classes)], "label": [-1]}
    outputs = [{"name": name, "datatype": kind, "shape": shapes[name]} for name, kind in OUTPUTS.items()]
    return {"name": model.name, "versions": [model.version], "platform": "onnx", "inputs": inputs, "outputs": outputs}


def ready(model: Model, request: Request) -> Answer:
    """`GET /v2/models/NAME[/versions/VERSION]/ready`."""
    return Answer(b'{"ready":true}')


def server(model: Model, request: Request) -> Answer:
    """`GET /v2`."""
    said = {"name": "tabular", "version": model.version, "extensions": ["binary_tensor_data"]}
    return Answer(json.dumps(said).encode())


def _datatype(column: Column) -> str:
    if not column.is_numeric:
        return "BYTES"
    whole = column.type != "number" and not column.nullable
    return "INT64" if whole else "FP64"


def _inputs(entries: Sequence[Any], binary: bytes) -> list[Tensor]:
    found, start = [], 0
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise malformed("an input is not an object with a name")
        name, datatype, shape = entry["name"][:80], entry.get("datatype"), entry.get("shape")
        if not isinstance(datatype, str) or datatype not in DATATYPES:
            raise malformed(f"input {name!r}: datatype is {str(datatype)[:20]!r}; known: {', '.join(DATATYPES)}")
        if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
            raise malformed(f"input {name!r}: shape is not a list of sizes")
        parameters = entry.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(binary) - start:
                raise malformed(
                    f"input {name!r}: binary_data_size is {str(size)[:20]}, {len(binary) - start} bytes are left"
                )
            values = decode(name, datatype, binary[start : start + size])
            start += size
        else:
            values = _listed(name, datatype, entry.get("data"))
        check_shape(name, shape, len(values))
        found.append(Tensor(name, datatype, shape, values))
    if start != len(binary):
        raise malformed(f"{len(binary) - start} bytes follow the last tensor")
    return found


def _listed(name: str, datatype: str, data: Any) -> Any:
    """`data`, flat or nested as the shape is."""
    if not isinstance(data, list):
        raise malformed(f"input {name!r} has neither data nor binary_data_size")
    while (kinds := set(map(type, data))) == {list}:
        data = [value for each in data for value in each]
    if datatype == "BYTES":
        return data
    try:
        if str in kinds:
            raise ValueError  # noqa: TRY301  NumPy reads "1" as a number, JSON does not
        return np.array(data, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        raise malformed(f"input {name!r}: data is not a list of numbers") from None


def _requested(message: Mapping[str, Any]) -> list[str]:
    outputs = message.get("outputs") or []
    if not isinstance(outputs, list) or not all(
        isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("parameters") or {}, dict)
        for each in outputs
    ):
        raise malformed("outputs is not a list of objects with a name")
    return [each["name"] for each in outputs]


def _repeated(names: Sequence[str]) -> str:
    return next(name for name, times in Counter(names).items() if times > 1)


def _rows(model: Model, inputs: Sequence[Tensor]) -> Any:
    """The model's tensor."""
    reader = model.rows
    names = [tensor.name for tensor in inputs]
    if names == [FEATURES] and FEATURES not in reader.names:
        tensor = inputs[0]
        if (
            len(tensor.shape) != 2
            or tensor.shape[1] != len(reader.names)
            or tensor.datatype == "BYTES"
            or not reader.is_numeric
        ):
            kinds = "numbers" if reader.is_numeric else "one tensor per column: some have texts"
            expected = f"[rows, {len(reader.names)}] of {kinds}"
            raise malformed(f"input 'features' is {tensor.datatype} {list(tensor.shape)}, expected {expected}")
        return check_matrix(reader, tensor.values.astype(np.float64).reshape(tensor.shape))
    if len(set(names)) < len(names):
        raise malformed(f"input {_repeated(names)!r} is given twice")
    for tensor in inputs:
        if len(tensor.shape) not in (1, 2) or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
            raise malformed(f"input {tensor.name!r} has shape {list(tensor.shape)}, expected [rows] or [rows, 1]")
    counts = {len(tensor.values) for tensor in inputs}
    if len(counts) > 1:
        raise malformed(f"the inputs have different numbers of rows: {', '.join(map(str, sorted(counts)))}")
    columns = {tensor.name: tensor.values for tensor in inputs}
    required = {column.name for column in reader.columns if not column.nullable}
    if (
        inputs
        and reader.is_numeric
        and required <= set(names) <= set(reader.names)
        and all(each.datatype != "BYTES" for each in inputs)
    ):
        nothing = np.full(counts.pop(), np.nan)
        return check_matrix(
            reader, np.stack([columns.get(name, nothing) for name in reader.names], axis=1).astype(float)
        )
    listed = {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in columns.items()}
    rows = [dict(zip(listed, row, strict=True)) for row in zip(*listed.values(), strict=True)]
    checked = reader.check([{name: None if value != value else value for name, value in row.items()} for row in rows])  # noqa: PLR0124  NaN
    return np.array(checked, dtype=np.float32)


_MODELS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
ROUTES = (
    Route("GET", "/v2", server, scope=""),
    *(Route("GET", path, metadata, scope="") for path in _MODELS),
    *(Route("GET", f"{path}/ready", ready, scope="") for path in _MODELS),
    *(Route("POST", f"{path}/infer", infer, types=(JSON, OCTETS)) for path in _MODELS),
)
