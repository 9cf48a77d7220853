"""The binary tensor data extension of the Open Inference protocol: little-endian numbers, texts with their length."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.problems import malformed

LENGTH = b"inference-header-content-length"
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
