"""A first contract from a file: types, codes and ranges as they were seen, for a person to correct."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from project.errors import ConfigError, Refused
from project.paths import CONTRACTS, NAME, ROOT
from project.strict_yaml import did_you_mean, shown
from tabular import contract_text as text
from tabular.agreement import UNSPEAKABLE
from tabular.cells import FALSE, FLOAT32_MAX, INTEGER_MAX, TRUE, to_number
from tabular.contract import Contract
from tabular.contract_limits import limits_of, rounded
from tabular.contract_text import scalar
from tabular.files import replaced
from tabular.missing_codes import missing_codes
from tabular.sniffing import sniff

MOST_CLASSES, LEAST_PER_CLASS, MOST_CODES, MOST_ODD, FEW = 20, 10, 50, 3, 6
LONGEST_NAME = 200
"""Letters in a column's name: YAML takes a key of up to 1,024 as it is written, escapes included."""
IDENTIFIER = re.compile(r"(^|_|\b)(id|ids|uuid|guid|index|key|no|nr|rownames?)$|^unnamed", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract as text, and what its reader must look at."""

    name: str
    text: str
    remarks: list[str]

    @property
    def guesses(self) -> int:
        """How many marks `# check:` it has."""
        return self.text.count(text.MARK)


@dataclass(slots=True)
class _Column:
    """What a column looks like: the lines of its feature, or why it is left out."""

    lines: list[str] = field(default_factory=list)
    left_out: str = ""


def draft_contract(path: str, target: str, name: str | None = None) -> Draft:
    """Look at a file and write down what it seems to be.

    Args:
        path: CSV or Parquet with a header; a path or an address.
        target: The column to predict.
        name: Of the data set; from the file's name where None.

    Raises:
        ConfigError: There is no such column, or the name can not be used.
        Refused: The file or its target can not be learnt from.
        Unreachable: The file is missing or its store does not answer.
    """
    found = sniff(path)
    columns = [str(column) for column in found.frame.columns]
    if target not in columns:
        raise ConfigError(f"{path} has no column {target!r}{did_you_mean(target, columns)}", "name it with --target")
    slug = name or re.sub(r"[^a-z0-9]+", "_", Path(path).stem.lower()).strip("_")[:40]
    if not NAME.fullmatch(slug):
        raise ConfigError(f"{slug!r} is no name for a data set: small letters, digits and _", "give one with --name")
    alike = next((a for i, a in enumerate(columns) if a.casefold() in map(str.casefold, columns[:i])), None)
    if alike is not None:  # Great Expectations would check the one by the rules of the other
        raise Refused(f"{path}: column {alike!r} differs from another in capitals alone", "rename one of them")
    classes = _classes(found.frame[target], target)
    looked_at = {column: _column(found.frame[column], column) for column in columns if column != target}
    features = {column: seen for column, seen in looked_at.items() if not seen.left_out}
    if not features:
        reasons = "; ".join(f"{column}: {seen.left_out}" for column, seen in looked_at.items())
        raise Refused(f"{path} has no column to learn from: {reasons or 'only the target'}", "add columns")
    remarks = [
        f"{' '.join(column.split())} is left out: {seen.left_out}"
        for column, seen in looked_at.items()
        if seen.left_out
    ]
    place = path if "://" in path else shown_from_root(Path(path).resolve())
    body = [
        *text.head(slug, found, target, classes),
        *text.features({column: seen.lines for column, seen in features.items()}, remarks),
        *text.site(slug, place, found),
    ]
    checks, smells = limits_of(Contract.model_validate(yaml.safe_load("\n".join(body))), found.frame)
    return Draft(slug, "\n".join([*body, *checks]) + "\n", [*remarks, *smells])


def write_draft(draft: Draft, folder: Path = CONTRACTS) -> Path:
    """Write a draft as `configs/datasets/NAME.yaml`.

    Raises:
        ConfigError: There is such a contract already.
    """
    path = folder / f"{draft.name}.yaml"
    if path.exists():
        raise ConfigError(f"{shown(path)} exists and was not changed", "give the data set another --name")
    with replaced(str(path)) as file:
        file.write_text(draft.text, encoding="utf-8")
    return path


def shown_from_root(path: Path) -> str:
    """A path as a contract names it: relative to the project where it lies inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _classes(cells: pd.Series[Any], target: str) -> dict[Any, int]:
    """Values of the target and how many rows have each, the most frequent first."""
    lost = [str(row) for row in range(1, len(cells) + 1) if cells.iloc[row - 1] is None]
    if lost:
        raise Refused(
            f"target {target!r} is missing in {len(lost)} rows: {', '.join(lost[:5])}{', …' if len(lost) > 5 else ''}",
            "remove these rows: nothing can be learnt from them",
        )
    counts = Counter[Any]()
    for cell, rows in cells.value_counts().items():
        counts[_value(cell)] += int(rows)
    if len(counts) < 2:
        raise Refused(f"target {target!r} has a single value, {next(iter(counts))!r}", "name another --target")
    if len(counts) > MOST_CLASSES:
        kind = "numbers: a quantity, not classes" if all(_number(str(v)) is not None for v in counts) else "values"
        raise Refused(
            f"target {target!r} has {len(counts)} different {kind}; at most {MOST_CLASSES} classes can be told apart",
            "name another --target, or write the classes into a column",
        )
    rare = [f"{value!r} ({n})" for value, n in counts.items() if n < LEAST_PER_CLASS]
    if rare:
        raise Refused(
            f"target {target!r} has classes of fewer than {LEAST_PER_CLASS} rows: {', '.join(rare)}",
            "collect more rows of them, or join or remove these classes",
        )
    return dict(counts.most_common())


def _column(cells: pd.Series[Any], name: str) -> _Column:
    known = cells.dropna()
    values = sorted({str(cell) for cell in known})
    numbers = {text: number for text in values if (number := _number(text)) is not None}
    odd = [text for text in values if text not in numbers]
    if len(known) < len(cells) / 2:
        return _Column(left_out=f"missing in {1 - len(known) / len(cells):.0%} of the rows")
    if len(values) == 1:
        return _Column(left_out=f"the same value {values[0]!r} in every row that has one")
    if reason := _unusable(name):
        return _Column(left_out=reason)
    if {text.lower() for text in values} <= TRUE | FALSE:
        words = ", ".join(values)
        return _Column(
            [f"type: boolean{'' if set(values) - {'0', '1'} else text.mark(f'{words} taken as yes and no')}"]
        )
    if not odd or (len(numbers) > MOST_ODD * 3 and len(odd) <= MOST_ODD):
        return _number_column(known, name, numbers, odd, len(cells))
    if len(values) > MOST_CODES:
        if all(_number(text.replace(",", ".")) is not None for text in values):
            return _Column(left_out="its numbers have a decimal comma: write them with a point")
        what = "looks like an identifier" if len(values) == len(known) else "free text or too many codes"
        return _Column(left_out=f"{len(values)} different texts, {what}")
    return _Column(
        ["type: category", f"values: [{', '.join(map(scalar, values))}]{text.mark('a value not listed is refused')}"]
    )


def _unusable(name: str) -> str:
    """Why no feature can have this name; empty where one can."""
    if len(name) > LONGEST_NAME:
        return f"its name has {len(name):,} letters, at most {LONGEST_NAME} can be used"
    if UNSPEAKABLE.search(name):
        return "its name has a quotation mark, a backslash or a line break"
    return "names that begin with _ are taken" if name.startswith("_") else ""


def _number_column(
    known: pd.Series[Any], name: str, numbers: dict[str, float], odd: Sequence[str], rows: int
) -> _Column:
    codes = missing_codes(numbers.values())
    coded = [written for written, number in numbers.items() if number in codes]
    measured = known[~known.astype(str).isin([*coded, *odd])]
    if len(measured) < rows / 2:
        return _Column(left_out=f"missing in {1 - len(measured) / rows:.0%} of the rows, {', '.join(coded)} included")
    numbers = {written: number for written, number in numbers.items() if number not in codes}
    low, high = min(numbers.values()), max(numbers.values())
    whole = all(number == int(number) and abs(number) <= INTEGER_MAX for number in numbers.values())
    steps = whole and len(numbers) == len(known) == high - low + 1
    if whole and len(numbers) == len(known) and (steps or IDENTIFIER.search(name)):
        return _Column(left_out="a different whole number in every row, looks like an identifier")
    room = (high - low) / 2  # on each side, so that the first new row is not refused
    lowest, highest = rounded(low - room, math.floor), rounded(high + room, math.ceil)
    few = 2 < len(numbers) <= FEW
    lines = [
        f"type: {'integer' if whole else 'number'}{text.mark('codes? then a category') if whole and few else ''}",
        f"minimum: {scalar(lowest if low < 0 else max(0.0, lowest))}",
        f"maximum: {scalar(highest)}{text.mark(f'seen {scalar(low)} to {scalar(high)}')}",
    ]
    if odd or codes:
        why = " and ".join(["no numbers"] * bool(odd) + ["far from all others"] * bool(codes))
        listed = ", ".join(map(scalar, [*odd, *codes]))
        lines.append(
            f"missing: [{listed}]{text.mark(f'{why}, taken as not measured in {len(known) - len(measured)} rows')}"
        )
    return _Column(lines)


def _value(cell: object) -> Any:
    """A class as the contract writes it: whole numbers as such."""
    number = None if isinstance(cell, bool) else _number(str(cell))
    return int(number) if number is not None and number == int(number) else cell


def _number(text: str) -> float | None:
    number = to_number(text)
    return number if number is not None and abs(number) <= FLOAT32_MAX else None  # NaN compares false
