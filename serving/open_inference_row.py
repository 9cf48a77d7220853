"""One row as one tensor of numbers over Open Inference REST, which is most of what is asked: read by its types, fast.

What is not plainly that is read again by `open_inference.infer`, which takes every form and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from serving.bundle import Model
from serving.http import LENGTH, Answer, Request
from serving.problems import malformed
from serving.rows import Row
from serving.tensors import DATATYPES

FEATURES = "features"
"""The tensor that has all columns."""
OUTPUTS = {"prediction": "INT64", "probabilities": "FP32", "label": "BYTES"}
NUMBERS = DATATYPES.keys() - {"BYTES"}


class _Input(Struct, forbid_unknown_fields=True, gc=False):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Output(Struct, forbid_unknown_fields=True, gc=False):
    name: str


class _Message(Struct, forbid_unknown_fields=True, gc=False):
    inputs: list[_Input]
    outputs: list[_Output] | UnsetType = UNSET
    id: str | UnsetType = UNSET


_decode = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def answer_row(model: Model, request: Request) -> Answer | None:
    """The answer to such a row; None where the message may be something else."""
    found = _read(model, request)
    if found is None:
        return None
    row, requested, given = found
    probabilities = model.one(row)
    index = model.choose(probabilities)
    values: Mapping[str, list[Any]] = {
        "prediction": [index], "probabilities": probabilities, "label": [model.classes[index]],
    }  # fmt: skip
    outputs = [
        {
            "name": name,
            "datatype": OUTPUTS[name],
            "shape": [1, len(probabilities)] if name == "probabilities" else [1],
            "data": values[name],
        }
        for name in requested or OUTPUTS
    ]
    return Answer(reply(model, given or request.id, outputs), (index,))


def reply(model: Model, given: str, outputs: list[dict[str, Any]]) -> bytes:
    """The message that goes back.

    Raises:
        Problem: The id that was given is no text.
    """
    try:
        return _encode({"model_name": model.name, "model_version": model.version, "id": given, "outputs": outputs})
    except UnicodeError:
        raise malformed("id is not valid text") from None


def _read(model: Model, request: Request) -> tuple[Row, Sequence[str], str] | None:
    """The row, the names of the outputs asked for, and the message's id."""
    reader = model.rows
    try:
        message = _decode(request.body)
        (tensor,) = message.inputs
        data = tensor.data if len(tensor.data) > 1 else tensor.data[0]
        (row,) = reader.strict([data])
    except (ValueError, LookupError, RecursionError):
        return None
    outputs: list[str] = []
    fields = 5
    if message.outputs is not UNSET:
        outputs = [each.name for each in message.outputs]
        fields += 1 + len(outputs)
    if message.id is not UNSET:
        fields += 1
    is_plain = (
        tensor.name == FEATURES
        and tensor.shape == [1, len(reader.names)]
        and tensor.datatype in NUMBERS
        and reader.is_numeric
        and FEATURES not in reader.names
        and request.body.count(b":") == fields  # the decoder keeps the last of two equal fields
        and LENGTH not in request.headers
        and len(OUTPUTS.keys() & outputs) == len(outputs)
    )
    return (row, outputs, message.id or "") if is_plain else None
