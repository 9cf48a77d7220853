"""One row as one tensor of numbers over Open Inference REST, which is most of what is asked: read by its types, fast.

What is not plainly that is read again by `open_inference.infer`, which takes every form and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from serving.bundle import Model
from serving.http import Request
from serving.rows import Row
from serving.tensors import DATATYPES, LENGTH

FEATURES = "features"
"""The tensor that has all columns."""
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


def read(model: Model, request: Request) -> tuple[Row, Sequence[str], str] | None:
    """The row, the names of the outputs asked for and the message's id; None where it may be something else."""
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
    )
    return (row, outputs, message.id or "") if is_plain else None
