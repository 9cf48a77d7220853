"""Read a table as its contract says, and keep what could not be read instead of guessing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from project.errors import Refused, Unreachable
from project.paths import ROOT
from tabular.cells import FALSE, TRUE, allowed, is_missing, is_missing_code, missing_signs, parse_cell, plain
from tabular.columns import Feature, Target
from tabular.contract import Contract
from tabular.files import is_absent, parquet_rows, refuse_no_file
from tabular.sniffing import header


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A cell that does not fit the type of its column."""

    row: int
    """Data row, counted from 1 (a header does not count)."""
    column: str
    value: str
    allowed: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read: typed rows, and the cells that could not be typed (missing in `rows`)."""

    rows: pd.DataFrame
    """One column per feature, in contract order, then the target's label if the file has one.

    Numbers are float64, integers Int64, booleans boolean, categories Int64 or string codes; missing is NA.
    """
    unreadable: list[Unreadable]


def located(path: str) -> str:
    """An address fsspec opens: as given if it has a scheme, else below the project's root."""
    return path if "://" in path else str(ROOT / path)


def fingerprint(path: str) -> str:
    """SHA-256 of a file's bytes, local or remote.

    Raises:
        Unreachable: It can not be opened.
    """
    return hashlib.sha256(site_bytes(path)).hexdigest()


def site_bytes(path: str, download: str = "") -> bytes:
    """A file as it is, local or remote; `download` is the command that would fetch it.

    Raises:
        Unreachable: It can not be opened.
    """
    address = located(path)
    refuse_no_file(address)
    try:
        with fsspec.open(address, "rb") as file:
            return bytes(file.read())
    except Exception as error:  # noqa: BLE001  each store has its own errors; the user needs the address and the reason
        if is_absent(error):
            fetch = f", or fetch it: {download}" if download else ""
            raise Unreachable(f"{path} does not exist", f"check the path{fetch}") from None
        reason = error.__cause__ or error
        raise Unreachable(f"{path} can not be read: {reason}", "check the address and the credentials") from None


def read_site(contract: Contract, site: str) -> Table:
    """Read one site's file.

    Raises:
        Unreachable: The file is missing or its store does not answer.
        Refused: The file is not what the contract says: checksum, encoding, columns, delimiter, rows.
    """
    return typed(contract, raw_site(contract, site))


def raw_site(contract: Contract, site: str) -> pd.DataFrame:
    """One site's file as `raw_table` gives it.

    Raises:
        Unreachable: As `read_site`.
        Refused: As `read_site`.
    """
    where = contract.sites[site]
    download = f"python run.py data download --dataset {contract.name}" if where.url else ""
    content = site_bytes(where.path, download)
    actual = hashlib.sha256(content).hexdigest()
    if where.sha256 and actual != where.sha256:
        raise Refused(
            f"{where.path}: sha256 is {actual[:12]}…, the contract says {where.sha256[:12]}…",
            download or f"see what changed, then correct sha256 in configs/datasets/{contract.name}.yaml",
        )
    if where.role == "unlabelled":
        return raw_table(contract, content, where.path, labelled=False).drop(
            columns=contract.target.column, errors="ignore"
        )
    return raw_table(contract, content, where.path)


def raw_table(contract: Contract, content: bytes, name: str, labelled: bool = True) -> pd.DataFrame:
    """The file as strings (CSV) or as stored (Parquet), columns named, nothing converted.

    Args:
        contract: Says how it is written.
        content: Of the file.
        name: Of the file, for messages.
        labelled: Whether it must have the target; one that need not may have a header of its own, too.

    Raises:
        Refused: Encoding, delimiter, header or columns are not those of the contract; or there are no rows.
    """
    if contract.reading.format == "parquet":
        frame = parquet_rows(content, name)
    else:
        frame = _read_csv(contract, content, name, labelled)
    _check_columns(contract, list(frame.columns), name, labelled)
    if frame.empty:
        raise Refused(f"{name} has no rows", "check that the file is whole, and reading.header in the contract")
    return frame


def typed(contract: Contract, raw: pd.DataFrame) -> Table:
    """Convert raw columns to the contract's types; cells that do not fit become missing and are listed."""
    columns: dict[str, Any] = {}
    unreadable: list[Unreadable] = []
    signs = missing_signs(contract.reading.missing)
    for name, feature in contract.features.items():
        if name not in raw:
            columns[name] = _as_type(feature, [None] * len(raw))
            continue
        values: list[Any] = []
        for row, cell in enumerate(raw[name].tolist(), start=1):
            if is_missing(cell, signs) or is_missing_code(cell, feature):
                values.append(None)
                continue
            value = parse_cell(cell, feature)
            if value is None:
                unreadable.append(Unreadable(row, name, str(cell)[:80], allowed(feature)))
            values.append(value)
        columns[name] = _as_type(feature, values)
    target = contract.target.column
    if target in raw:
        labels, known = _class_labels(contract.target), ", ".join(contract.target.values)
        found: list[str | None] = []
        for row, cell in enumerate(raw[target].tolist(), start=1):
            label = None if is_missing(cell, signs) else labels.get(plain(cell))
            if label is None:
                unreadable.append(Unreadable(row, target, str(cell)[:80], f"one of {known}"))
            found.append(label)
        columns[target] = pd.array(found, dtype="string")
    return Table(pd.DataFrame(columns), unreadable)


def _class_labels(target: Target) -> dict[str, str]:
    """Text of a cell to its class; to YAML an unquoted yes is true, so true stands for all words that mean it."""
    labels: dict[str, str] = {}
    for one in target.classes:
        for value in one.values:
            if isinstance(value, bool):
                words = TRUE if value else FALSE
                labels |= dict.fromkeys((*words, *map(str.upper, words), *map(str.title, words)), one.label)
            else:
                labels[plain(value)] = one.label
    return labels


def _read_csv(contract: Contract, content: bytes, name: str, labelled: bool) -> pd.DataFrame:
    import csv
    import io

    how = contract.reading
    try:
        text = content.decode(how.encoding).removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError) as error:
        raise Refused(f"{name} is not {how.encoding}: {error}", "set reading.encoding in the contract") from None
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=how.delimiter, strict=True) if line]
    except csv.Error as error:
        raise Refused(f"{name} is not a CSV file: {error}", "check its quotes and that it is whole") from None
    if not lines:
        raise Refused(f"{name} is empty", "check that the download is whole")
    names, has_header = header(lines[0], how, () if labelled else contract.features)
    first = 1 if has_header else 0
    repeated = sorted({column for column in names if names.count(column) > 1})
    if repeated:
        raise Refused(f"{name}: column {repeated[0]!r} stands twice in the header", "name each column once")
    for number, line in enumerate(lines[first:], start=1):
        if len(line) != len(names):
            raise Refused(
                f"{name}: row {number} has {len(line)} cells, expected {len(names)} separated by {how.delimiter!r}",
                "check that the file is whole, and reading.delimiter in the contract",
            )
    return pd.DataFrame(lines[first:], columns=names, dtype=object)


def _check_columns(contract: Contract, columns: list[str], name: str, labelled: bool) -> None:
    from project.strict_yaml import did_you_mean

    for needed in (*contract.features, *([contract.target.column] if labelled else [])):
        if needed not in columns:
            raise Refused(
                f"{name}: column {needed!r} is missing{did_you_mean(needed, columns)}",
                "check the header, and reading.delimiter in the contract",
            )


def _as_type(feature: Feature, values: list[Any]) -> Any:
    match feature.type:
        case "number":
            return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        case "boolean":
            return pd.array(values, dtype="boolean")
        case "integer":
            return pd.array(values, dtype="Int64")
        case _:
            return pd.array(values, dtype="Int64" if isinstance(feature.codes[0], int) else "string")
