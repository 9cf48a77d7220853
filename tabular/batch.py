"""Predict a file of any size with a bundle: the answers of the endpoint, row by row, in bounded memory."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from project.errors import ConfigError, Refused
from project.strict_yaml import Strict, did_you_mean
from serving.columns import Column
from tabular.batch_cells import CellReader, Reject, cell
from tabular.batch_chunks import Chunk, check_columns, open_rows
from tabular.bundle import Bundle
from tabular.contract import Reading
from tabular.export import INPUT, OUTPUT, session
from tabular.files import is_parquet, refuse_no_file, replaced
from tabular.metrics import Classes, decide

if TYPE_CHECKING:
    import pyarrow as pa

ROW, LABEL, PROBABILITY = "row", "label", "probability"


class BatchSettings(Strict):
    """Limits of a batch run."""

    chunk_rows: Annotated[int, Field(ge=1)]
    """Rows held in memory at a time."""
    maximum_reject_share: Annotated[float, Field(ge=0, le=1)]
    """Share of rows that may be left out for not fitting the contract, where no number is given."""


class BatchConfig(Strict):
    """`configs/batch_inference.yaml`."""

    batch: BatchSettings


@dataclass(frozen=True, slots=True)
class BatchFiles:
    """What is read and written, each a path or an address; CSV, or Parquet by the name's ending."""

    input: str
    output: str
    rejects: str
    """Always a CSV."""
    reading: Reading
    """How CSV files of the data set are written."""
    ignored: tuple[str, ...] = ()
    """Columns that may be there and are not looked at, such as the target."""
    keep: tuple[str, ...] = ()
    """Columns to carry over to the output."""


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """What a batch run did."""

    model: str
    digest: str
    rows: int
    predicted: int
    rejected: int
    labels: dict[str, int]
    """Rows per predicted class."""
    reasons: dict[str, int]
    """Cells that did not fit, per column; `""` counts rows of too many or too few cells."""
    output: str
    rejects: str


class _TooManyRejects(Refused):
    """Tells this refusal, which leaves the rejects behind, from those that leave nothing."""


def predict_file(
    bundle: Bundle, files: BatchFiles, settings: BatchSettings, max_rejects: int | None = None
) -> BatchSummary:
    """Predict every row of a file that fits the contract, and say of the others why they do not.

    The output has the row's number, the kept columns, the label, the probability as the endpoint says it, and
    the probability of each class. Both files appear whole, at the end: the rejects always, the output only if
    there are not too many of them.

    Args:
        bundle: The model, its contract and threshold.
        files: What to read and write.
        settings: Chunk size and limit.
        max_rejects: Rows that may be rejected; the share in `settings` where None.

    Raises:
        ConfigError: Names that can not be used.
        Refused: The file has no rows or other columns than the contract, or too many rows do not fit.
        Unreachable: A file or store does not answer.
    """
    _check_paths(files)
    too_many: _TooManyRejects | None = None
    with replaced(files.rejects) as rejects:
        try:
            with replaced(files.output) as output:
                summary = _predict(bundle, files, settings, output, rejects)
                _check_rejects(summary, settings, max_rejects)
        except _TooManyRejects as error:
            too_many = error
    if too_many is not None:
        raise too_many
    return summary


def _predict(bundle: Bundle, files: BatchFiles, settings: BatchSettings, output: Path, rejects: Path) -> BatchSummary:
    contract, threshold = bundle.json("contract.json"), bundle.json("serving.json")["threshold"]
    readers = [CellReader(Column.parse(feature), files.reading.missing) for feature in contract["features"]]
    names, model = [reader.column.name for reader in readers], session(bundle.content["model.onnx"])
    rows, rejected, labels, reasons = 0, 0, Counter[str](), Counter[str]()
    with ExitStack() as stack:
        source = stack.enter_context(open_rows(files.input, files.reading, names, settings.chunk_rows))
        check_columns(list(source.types), names, [*files.ignored, *files.keep], files.input)
        schema = _schema(source.types, files, contract["classes"])
        answers = stack.enter_context(_writer(files.output, output, schema))
        told = csv.writer(stack.enter_context(rejects.open("w", encoding="utf-8", newline="")), lineterminator="\n")
        told.writerow([ROW, "column", "value", "reason"])
        for chunk in source.chunks:
            tensor, fits, bad = _tensor(readers, chunk)
            bad = sorted([*bad, *chunk.broken], key=lambda reject: reject.row)
            told.writerows([reject.row, reject.column, reject.value, reject.reason] for reject in bad)
            reasons.update(reject.column for reject in bad)
            rows += len(chunk.rows) + len(chunk.broken)
            rejected += len({reject.row for reject in bad})
            if fits.size:
                probabilities = model.run([OUTPUT], {INPUT: tensor})[0]
                chosen = decide(probabilities.astype(np.float64), threshold)
                counts = np.bincount(chosen, minlength=len(contract["classes"])).tolist()
                labels.update({label: n for label, n in zip(contract["classes"], counts, strict=True) if n})
                answers.write_batch(
                    _answers(schema, chunk, fits, files.keep, contract["classes"], probabilities, chosen)
                )
    if rows == 0:
        raise Refused(f"{files.input} has no rows", "name a file with a header and rows below it")
    return BatchSummary(
        contract["name"],
        bundle.digest,
        rows,
        rows - rejected,
        rejected,
        dict(labels),
        dict(reasons),
        files.output,
        files.rejects,
    )


def _tensor(
    readers: Sequence[CellReader], chunk: Chunk
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], list[Reject]]:
    """The rows that fit as the model's input, their positions in the chunk, and the cells of the others."""
    tensor = np.empty((len(chunk.rows), len(readers)), dtype=np.float32)
    fits, bad = np.ones(len(chunk.rows), dtype=bool), []
    for index, reader in enumerate(readers):
        cells = chunk.cells[reader.column.name]
        tensor[:, index], wrong = reader.read(cells)
        fits[wrong] = False
        bad += [reader.reject(int(chunk.rows[position]), cell(cells, position)) for position in wrong]
    return (tensor[fits] if bad else tensor), np.flatnonzero(fits), bad


def _answers(
    schema: pa.Schema,
    chunk: Chunk,
    fits: npt.NDArray[np.int64],
    keep: Sequence[str],
    classes: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    chosen: Classes,
) -> pa.RecordBatch:
    import pyarrow as pa

    # The endpoint's `probability`: of the positive class where there are two, else of the label.
    said = probabilities[:, 1] if len(classes) == 2 else probabilities[np.arange(len(chosen)), chosen]
    whole = len(fits) == len(chunk.rows)
    cells = [(chunk.cells[name], schema.field(name).type) for name in keep]
    kept = [each if isinstance(each, pa.Array) else pa.array(each, kind) for each, kind in cells]
    arrays = [pa.array(chunk.rows), *kept]
    if not whole:
        arrays = [array.take(pa.array(fits)) for array in arrays]
    arrays += [pa.array(classes, pa.string()).take(pa.array(chosen))]
    arrays += [pa.array(np.ascontiguousarray(column)) for column in (said, *probabilities.T)]
    return pa.record_batch(arrays, schema=schema)


def _schema(types: dict[str, pa.DataType], files: BatchFiles, classes: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    for name in files.keep:
        if name not in types:
            raise ConfigError(f"{files.input} has no column {name!r} to keep{did_you_mean(name, list(types))}")
    own = [(ROW, pa.int64()), (LABEL, pa.string()), (PROBABILITY, pa.float32())]
    own += [(f"{PROBABILITY} {label}", pa.float32()) for label in classes]
    taken = next((name for name in files.keep if name in dict(own)), None)
    if taken is not None:
        raise ConfigError(f"column {taken!r} can not be kept: the output has a column of that name", "rename it")
    return pa.schema([own[0], *((name, types[name]) for name in files.keep), *own[1:]])


def _writer(name: str, path: Path, schema: pa.Schema) -> Any:
    if is_parquet(name):
        import pyarrow.parquet as pq

        texts = [field.name for field in schema if str(field.type) != "float" and field.name != ROW]
        # Nearly all figures differ, so a dictionary of them is wasted time; numbers of rows are a step apart.
        return pq.ParquetWriter(path, schema, use_dictionary=texts, column_encoding={ROW: "DELTA_BINARY_PACKED"})
    import pyarrow.csv

    return pyarrow.csv.CSVWriter(path, schema)


def _check_paths(files: BatchFiles) -> None:
    named = {"--input": files.input, "--output": files.output, "--rejects": files.rejects}
    places = [path if "://" in path else str(Path(path).resolve()) for path in named.values()]
    for index, (option, place) in enumerate(zip(named, places, strict=True)):
        if place in places[:index]:
            other = list(named)[places.index(place)]
            raise ConfigError(f"{other} and {option} are both {named[option]}", f"name another file with {option}")
    for path in (files.output, files.rejects):  # before the first of them is made
        refuse_no_file(path)


def _check_rejects(summary: BatchSummary, settings: BatchSettings, max_rejects: int | None) -> None:
    share = settings.maximum_reject_share
    most = math.floor(share * summary.rows) if max_rejects is None else max_rejects
    if summary.rejected > most or summary.predicted == 0:
        limit = f"{most}, {share:.0%} of the rows" if max_rejects is None else str(most)
        raise _TooManyRejects(
            f"{summary.rejected} of {summary.rows} rows do not fit the contract of {summary.model}, allowed: {limit};"
            f" nothing was predicted, the reasons stand in {summary.rejects}",
            f"correct the rows, or --max-rejects {summary.rejected}" if summary.predicted else "correct the rows",
        )
