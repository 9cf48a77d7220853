"""Read a table that no contract describes yet: encoding, delimiter and signs for "missing" found by looking."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import pandas as pd

from project.errors import Refused
from tabular.bundle import sha256
from tabular.contract import Reading
from tabular.files import is_parquet, opened, parquet_rows

SIGNS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "?", "-", ".", "#N/A")
"""What people write where a value is missing."""
DELIMITERS = ",;\t|"
LOOKED_AT = 100
PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xd0\xcf\x11\xe0")
"""How gzip and zip, bzip2 and workbooks, new and old, begin."""


def header(first: Sequence[str], reading: Reading, features: Collection[str]) -> tuple[list[str], bool]:
    """The names of a CSV file's columns, and whether its first row holds them.

    A file may have a header where the data set's own have none; and where those name their columns in the contract, the
    column of the target may be left out.
    """
    names = [cell.strip() for cell in first]
    if reading.header or set(names) & set(features):
        return names, True
    listed = list(reading.columns)
    if len(first) == len(features) < len(listed):
        listed = [name for name in listed if name in features]
    return listed, False


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A table as it was found."""

    frame: pd.DataFrame
    """Text without spaces around it (CSV) or values as stored (Parquet); None where one is missing."""
    reading: Reading
    """How it is written."""
    sha256: str


def sniff(path: str) -> Sniffed:
    """Read a CSV or Parquet file with a header.

    Raises:
        Unreachable: It is missing or its store does not answer.
        Refused: It is empty, no such file, or its header or rows can not be used.
    """
    with opened(path) as file:
        content = file.read()
    if is_parquet(path):
        frame = parquet_rows(content, path).astype(object)
        reading = Reading(format="parquet", missing=[""])
    else:
        frame, reading = _csv(content, path)
    if frame.empty:
        raise Refused(f"{path} has no rows", "name a file with a header and rows below it")
    return Sniffed(frame.where(frame.notna(), None), reading, sha256(content))


def _csv(content: bytes, path: str) -> tuple[pd.DataFrame, Reading]:
    text, encoding = _decoded(content, path)
    delimiter = _delimiter(text)
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if line]
    except csv.Error as error:
        raise Refused(f"{path} is not a CSV file: {error}", "check its quotes and that it is whole") from None
    if not lines:
        raise Refused(f"{path} is empty", "check that the download is whole")
    header, *rows = [[cell.strip() for cell in line] for line in lines]
    repeated = next((name for name in header if header.count(name) > 1), None)
    if "" in header:
        raise Refused(f"{path}: column {header.index('') + 1} has no name in the header", "name it, or remove it")
    if repeated is not None:
        raise Refused(f"{path}: column {repeated!r} stands twice in the header", "name each column once")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise Refused(
                f"{path}: row {number} has {len(row)} cells, the header has {len(header)}, separated by {delimiter!r}",
                "check that the file is whole and has one table",
            )
    found = {cell for row in rows for cell in row if cell in SIGNS}
    missing = [sign for sign in SIGNS if sign in found or not sign]
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    return frame.mask(frame.isin(missing)), Reading(delimiter=delimiter, encoding=encoding, missing=missing)


def _decoded(content: bytes, path: str) -> tuple[str, str]:
    if content.startswith(PACKED):
        raise Refused(
            f"{path} is compressed or a workbook, expected a CSV or Parquet file", "unpack it, or save it as CSV"
        )
    for encoding in ("utf-8-sig", "cp1252", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text[:1000]:
            break
        return text, encoding.removesuffix("-sig")
    raise Refused(f"{path} is no text in UTF-8, nor in an encoding of one byte per letter", "save it as UTF-8")


def _delimiter(text: str) -> str:
    """The one that cuts the first lines into the same number of cells, of several the one that makes most."""
    best, most = ",", 1
    for delimiter in DELIMITERS:
        try:
            lines = list(islice(csv.reader(io.StringIO(text), delimiter=delimiter), LOOKED_AT))
        except csv.Error:
            continue
        widths = {len(line) for line in lines if line}
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    return best
