"""Numbers on the command line: of one kind, in a range, and refused in words."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from math import inf
from typing import TypeVar

Number = TypeVar("Number", int, float)


def number(kind: type[Number], what: str, allowed: str, least: float, most: float = inf) -> Callable[[str], Number]:
    """What reads an option's text for argparse.

    Args:
        kind: `int` or `float`.
        what: The number is, to follow "no": `port`.
        allowed: What would be taken, to follow "it is".
        least: The least that is taken.
        most: The greatest that is taken; no infinity is.
    """

    def read(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most or value == inf:
            raise argparse.ArgumentTypeError(f"{text} is no {what}; it is {allowed}")
        return value

    return read
