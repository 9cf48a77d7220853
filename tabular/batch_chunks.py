"""A file of rows in chunks: CSV or Parquet, from a disk or a store, never held whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from project.errors import Refused
from project.strict_yaml import did_you_mean
from tabular.batch_cells import Cells, Reject
from tabular.contract import Reading
from tabular.files import is_parquet, opened
from tabular.sniffing import DELIMITERS, header

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file, by column."""

    rows: npt.NDArray[np.int64]
    """Number of each row, counted from 1."""
    cells: dict[str, Cells]
    broken: list[Reject]
    """Rows between them that have too many or too few cells."""


@dataclass(frozen=True, slots=True)
class RowFile:
    """An opened file: its columns, and its rows."""

    types: dict[str, pa.DataType]
    """Column to its type, in the order of the file; text in a CSV."""
    chunks: Iterator[Chunk]


@contextmanager
def open_rows(path: str, reading: Reading, features: Sequence[str], size: int) -> Iterator[RowFile]:
    """Open a CSV or Parquet file (by its name's ending).

    Args:
        path: A path or an address.
        reading: How CSV files of the data set are written; a file with a header may also be given where the data
            set's own files have none.
        features: Names by which a header is known from a first row.
        size: Rows per chunk.

    Raises:
        Unreachable: It is missing or its store does not answer.
        Refused: It is not such a file.
    """
    with opened(path) as file:
        if is_parquet(path):
            yield _parquet(file, path, size)
            return
        try:
            with io.TextIOWrapper(file, encoding=reading.encoding, newline="") as text:
                yield _csv(text, path, reading, features, size)
        except UnicodeDecodeError as error:
            raise Refused(
                f"{path} is not {reading.encoding}: {error.reason}", "save the file in that encoding"
            ) from None
        except csv.Error as error:
            raise Refused(f"{path} is not a CSV file: {error}", "check its quotes and that it is whole") from None


def check_columns(found: Sequence[str], features: Sequence[str], known: Sequence[str], path: str) -> None:
    """Refuse a file that lacks a feature or has a column that nobody asked for.

    Args:
        found: The file's columns.
        features: What must be there.
        known: What may be there besides.
        path: For the message.

    Raises:
        Refused: A column is missing or unknown.
    """
    for name in features:
        if name not in found:
            raise Refused(
                f"{path}: column {name!r} is missing{did_you_mean(name, found)}",
                "name the columns as the contract does; leave cells empty where a value is not known",
            )
    for name in found:
        if name not in features and name not in known:
            raise Refused(
                f"{path}: unknown column {name!r}; allowed: {', '.join(features)}",
                f"remove it, or --keep {name} to have it in the output",
            )


def _parquet(file: IO[bytes], path: str, size: int) -> RowFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stored = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise Refused(f"{path} is not a Parquet file: {error}", "check that the file is whole") from None
    schema = stored.schema_arrow

    def chunks() -> Iterator[Chunk]:
        first = 1
        for batch in stored.iter_batches(batch_size=size):
            cells: dict[str, Cells] = dict(zip(schema.names, batch.columns, strict=True))
            yield Chunk(np.arange(first, first + batch.num_rows), cells, [])
            first += batch.num_rows

    return RowFile(_types([(field.name, field.type) for field in schema], path), chunks())


def _csv(text: io.TextIOBase, path: str, reading: Reading, features: Sequence[str], size: int) -> RowFile:
    import pyarrow as pa

    lines: Iterator[list[str]] = (line for line in csv.reader(text, delimiter=reading.delimiter, strict=True) if line)
    first = next(lines, None)
    if first is None:
        raise Refused(f"{path} is empty", "check that the download is whole")
    first[0] = first[0].removeprefix("\ufeff")
    names, has_header = header(first, reading, features)
    rest = lines if has_header else _with_first(first, lines)
    other = next((mark for mark in DELIMITERS if mark != reading.delimiter and mark in first[0]), None)
    if len(first) == 1 and len(features) > 1 and other is not None:
        raise Refused(
            f"{path}: the cells are separated by {other!r}, expected {reading.delimiter!r}",
            "save the file with that separator",
        )
    return RowFile(_types([(name, pa.string()) for name in names], path), _csv_chunks(names, rest, reading, size))


def _types(columns: Sequence[tuple[str, pa.DataType]], path: str) -> dict[str, pa.DataType]:
    types = dict(columns)
    if len(types) < len(columns):
        names = [name for name, _ in columns]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Refused(f"{path}: column {repeated!r} stands twice in the header", "name each column once")
    return types


def _with_first(first: list[str], lines: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from lines


def _csv_chunks(names: list[str], lines: Iterator[list[str]], reading: Reading, size: int) -> Iterator[Chunk]:
    before = 0
    while block := list(islice(lines, size)):
        rows, whole, broken = [], [], []
        for row, line in enumerate(block, start=before + 1):
            if len(line) == len(names):
                rows.append(row)
                whole.append(line)
            else:
                what = f"the row has {len(line)} cells; expected {len(names)}, separated by {reading.delimiter!r}"
                broken.append(Reject(row, "", reading.delimiter.join(line), what))
        columns = zip(*whole, strict=True) if whole else [()] * len(names)
        yield Chunk(np.array(rows, dtype=np.int64), dict(zip(names, columns, strict=True)), broken)
        before += len(block)
