"""Tensors of the Open Inference protocol: their types and shapes, and the bytes of its binary extension.

Those are little-endian numbers, and texts with their length before them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from serving.problems import malformed

DIMENSIONS = 2
DATATYPES = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BYTES": "",
}  # fmt: skip
"""The protocol's names, and NumPy's for what has a fixed size."""


def decode(name: str, datatype: str, data: bytes) -> Any:
    """One tensor's bytes as a flat array, or as a list of strings for BYTES.

    Raises:
        Problem: They are not whole values of this type.
    """
    if datatype != "BYTES":
        size = np.dtype(DATATYPES[datatype]).itemsize
        if len(data) % size:
            raise malformed(f"input {name!r}: {len(data)} bytes are not whole {datatype} values of {size} bytes")
        return np.frombuffer(data, dtype=DATATYPES[datatype])
    values, start = [], 0
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "little")
        text = data[start + 4 : start + 4 + length]
        if len(data) - start < 4 or len(text) < length:
            raise malformed(f"input {name!r}: the bytes end in the middle of a text")
        try:
            values.append(text.decode())
        except UnicodeDecodeError:
            raise malformed(f"input {name!r}: a text is not UTF-8") from None
        start += 4 + length
    return values


def encode(datatype: str, values: Any) -> bytes:
    """A flat tensor as bytes."""
    if datatype != "BYTES":
        return np.ascontiguousarray(values, dtype=DATATYPES[datatype]).tobytes()
    texts: Sequence[bytes] = [text.encode() for text in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def check_shape(name: str, shape: Sequence[int], values: int) -> None:
    """Refuse a shape that is not of so many values.

    Raises:
        Problem: It has more than two dimensions, which no input here has, or does not hold the values.
    """
    if not 1 <= len(shape) <= DIMENSIONS:  # multiplied first, a long shape would take minutes
        raise malformed(f"input {name!r} has {len(shape)} dimensions, expected [rows] or [rows, columns]")
    if min(shape) < 0 or prod(shape) != values:
        raise malformed(f"input {name!r} has {values} values, which shape {str(list(shape))[:80]} does not hold")
