"""A first contract from a file: types, codes and ranges as they were seen, for a person to correct."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from project.errors import ConfigError, Refused
from project.paths import CONTRACTS, NAME, from_root
from project.strict_yaml import did_you_mean, shown
from tabular import contract_text as text
from tabular.agreement import UNSPEAKABLE
from tabular.cells import FALSE, INTEGER_MAX, TRUE, finite
from tabular.class_draft import draft_classes
from tabular.contract import Contract
from tabular.contract_limits import limits_of, rounded
from tabular.contract_text import scalar
from tabular.files import replaced
from tabular.missing_codes import missing_codes
from tabular.sniffing import sniff
from tabular.spelling import alike, are_codes, has_separators, may_be_thousands, unreadable_reason

MOST_CODES, MOST_ODD, FEW = 50, 3, 6
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
    slug = name or re.sub(r"[^a-z0-9]+", "_", Path(path).stem.lower())[:40].strip("_")
    if not NAME.fullmatch(slug):
        raise ConfigError(
            f"{slug!r} is no name for a data set: small letters, digits and _ between", "give one with --name"
        )
    alike = next((a for i, a in enumerate(columns) if a.casefold() in map(str.casefold, columns[:i])), None)
    if alike is not None:  # Great Expectations would check the one by the rules of the other
        raise Refused(f"{path}: column {alike!r} differs from another in capitals alone", "rename one of them")
    classes = draft_classes(found.frame[target], target)
    written = {column: _values(found.frame[column]) for column in columns if column != target}
    commas = any(map(has_separators, written.values()))
    looked_at = {column: _column(found.frame[column], values, column, commas) for column, values in written.items()}
    features = {column: seen for column, seen in looked_at.items() if not seen.left_out}
    if not features:
        reasons = "; ".join(f"{column}: {seen.left_out}" for column, seen in looked_at.items())
        raise Refused(f"{path} has no column to learn from: {reasons or 'only the target'}", "correct or add columns")
    remarks = [
        f"{' '.join(column.split())} is left out: {seen.left_out}"
        for column, seen in looked_at.items()
        if seen.left_out
    ]
    place = from_root(path)
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


def _values(cells: pd.Series[Any]) -> list[str]:
    return sorted({str(cell) for cell in cells.dropna()})


def _column(cells: pd.Series[Any], values: Sequence[str], name: str, commas: bool) -> _Column:
    """What one column of these different values looks like; `commas`: some column has numbers with a comma."""
    known = cells.dropna()
    if len(known) < len(cells) / 2:
        return _Column(left_out=f"missing in {1 - len(known) / len(cells):.0%} of the rows")
    if len(values) == 1:
        return _Column(left_out=f"the same value {values[0]!r} in every row that has one")
    if reason := _unusable(name) or unreadable_reason(values):
        return _Column(left_out=reason)
    words_of = {text.lower() for text in values}
    if words_of <= TRUE | FALSE and len(words_of & TRUE) == len(words_of & FALSE) == 1:  # two for yes may be two codes
        words = ", ".join(values)
        return _Column(
            [f"type: boolean{'' if set(values) - {'0', '1'} else text.mark(f'{words} taken as yes and no')}"]
        )
    coded = are_codes(values)
    numbers = {} if coded else {text: number for text in values if (number := finite(text)) is not None}
    odd = [text for text in values if text not in numbers]
    if not odd or (len(numbers) > MOST_ODD * 3 and len(odd) <= MOST_ODD):
        return _number_column(known, name, numbers, odd, len(cells), commas)
    if len(values) > MOST_CODES:
        what = "looks like an identifier" if len(values) == len(known) else "free text or too many codes"
        begin = " that begin with 0" if coded else ""
        return _Column(left_out=f"{len(values)} different texts{begin}, {what}")
    twice = [" and ".join(names) for names in alike(values).values() if len(names) > 1]
    doubt = f"; {', '.join(twice)}: one code, spelt in two ways?" if twice else ""
    return _Column(
        [
            "type: category",
            f"values: [{', '.join(map(scalar, values))}]{text.mark(f'a value not listed is refused{doubt}')}",
        ]
    )


def _unusable(name: str) -> str:
    """Why no feature can have this name; empty where one can."""
    if len(name) > LONGEST_NAME:
        return f"its name has {len(name):,} letters, at most {LONGEST_NAME} can be used"
    if UNSPEAKABLE.search(name):
        return "its name has a quotation mark, a backslash or a line break"
    return "names that begin with _ are taken" if name.startswith("_") else ""


def _number_column(
    known: pd.Series[Any], name: str, numbers: dict[str, float], odd: Sequence[str], rows: int, commas: bool
) -> _Column:
    thousands = may_be_thousands(numbers)
    if thousands and commas:
        return _Column(
            left_out=f"its points may stand between thousands, as in {max(numbers, key=len)!r}: take them away"
        )
    codes = missing_codes(numbers.values())
    coded = [written for written, number in numbers.items() if number in codes]
    measured = known[~known.astype(str).isin([*coded, *odd])]
    if len(measured) < rows / 2:
        return _Column(
            left_out=f"missing in {1 - len(measured) / rows:.0%} of the rows, {', '.join([*odd, *coded])} included"
        )
    numbers = {written: number for written, number in numbers.items() if number not in codes}
    low, high = min(numbers.values()), max(numbers.values())
    whole = all(number == int(number) and abs(number) <= INTEGER_MAX for number in numbers.values())
    steps = whole and len(numbers) == len(known) == high - low + 1
    if whole and len(numbers) == len(known) and (steps or IDENTIFIER.search(name)):
        return _Column(left_out="a different whole number in every row, looks like an identifier")
    room = (high - low) / 2  # on each side, so that the first new row is not refused
    lowest, highest = rounded(low - room, math.floor), rounded(high + room, math.ceil)
    doubt = "codes? then a category" if whole and 2 < len(numbers) <= FEW else ""
    if thousands:
        doubt = "a point between thousands? then take it away in the file"
    lines = [
        f"type: {'integer' if whole else 'number'}{text.mark(doubt) if doubt else ''}",
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
