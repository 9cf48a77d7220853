"""The parts of a first contract as YAML with comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

from tabular.class_draft import DraftClass
from tabular.sniffing import Sniffed

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _./+-]*")
MARK = "# check: "
"""Begins a remark on what was guessed."""
YES = ("yes", "true", "1", "y", "t", "positive", "pos")


def head(name: str, found: Sniffed, target: str, classes: Sequence[DraftClass]) -> Iterator[str]:
    """Name, source, reading, target and its classes."""
    yield "# A first contract, written from the file alone: correct what only a person can know. Every range is wider"
    yield "# than what was seen; a value outside is refused in training and at the endpoint. What was guessed has a"
    yield "# mark: take it away when you have looked."
    yield f"name: {name}"
    yield f"title: {name.replace('_', ' ').capitalize()}"
    yield f"source:{mark('where it comes from and under which terms; shown in the model card')}"
    yield from ("  page: unknown", "  licence: unknown", "  citation: unknown", "")
    yield "reading:"
    how = found.reading.model_dump(exclude_defaults=True)
    for key, value in {**how, "missing": found.reading.missing}.items():
        yield f"  {key}: {[*map(str, value)] if isinstance(value, list) else scalar(value)}"
    names = [one.label for one in classes]
    quantity = mark("a quantity? none is predicted here, and classes know no order")
    amounts = len(classes) > 2 and all(one.is_number for one in classes)
    yield from ("", "target:", f"  column: {scalar(target)}{quantity if amounts else ''}")
    if len(classes) == 2:
        positive = next((name for name in names if name.lower() in YES), names[-1])
        yield f"  positive: {scalar(positive)}{mark('its probability is judged against the threshold')}"
    yield "  classes:"
    for one in classes:
        spelt = f"{MARK}spellings of one class? " if len(one.values) > 1 else "# "
        values = ", ".join(map(scalar, one.values))
        yield f"    - {{label: {scalar(one.label)}, values: [{values}]}}   {spelt}{one.rows:,} rows"
    yield ""


def features(lines: Mapping[str, Sequence[str]], remarks: Sequence[str]) -> Iterator[str]:
    """The features, each with the lines it has, after a remark on each column that is left out."""
    yield "features:   # add 'description', 'unit', and 'nullable: false' where a value must be there"
    for remark in remarks:
        yield f"  {MARK}{' '.join(remark.split())}"
    for name, its in lines.items():
        yield f"  {scalar(name)}:"
        yield from (f"    {line}" for line in its)
    yield ""


def site(name: str, place: str, found: Sniffed) -> Iterator[str]:
    """The one site there is."""
    yield "sites:   # add files of other places with 'role: external' (reported on, never learnt from) or 'unlabelled'"
    yield f"  {name}:"
    yield "    role: train"
    yield f"    path: {scalar(place)}"
    yield f"    sha256: {scalar(found.sha256)}"


def mark(guess: str) -> str:
    """A remark behind a line, for a person to look at."""
    return f"   {MARK}{guess}"


def scalar(value: object) -> str:
    """A value as YAML writes it, quoted where it would be read as something else."""
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    if isinstance(value, str):
        if PLAIN.fullmatch(value) and isinstance(yaml.safe_load(value), str):
            return value
        return str(yaml.safe_dump(value, default_style='"', width=10_000, allow_unicode=True)).strip()
    return str(yaml.safe_dump(value)).split("\n", maxsplit=1)[0]
