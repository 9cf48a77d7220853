"""What the checks of a table found: violations for people and machines, and data docs as one page."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

SHOWN = 5
"""Offending values and row numbers named per violation; the count says how many there are."""


STYLE = """
body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h5{font-size:1.1rem;margin:1.5rem 0 .3rem}
table{border-collapse:collapse;width:100%}
th,td{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}
.badge{background:#eee;border-radius:3px;padding:0 .3em}
i.text-success::before{content:"✓";color:#1a7f37}
i.text-danger::before{content:"✗";color:#c00}
"""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold."""

    column: str
    rule: str
    allowed: str
    found: tuple[str, ...]
    """Up to five distinct offending values (the measured value for rules on a whole column), sorted."""
    rows: tuple[int, ...]
    """The first five offending rows, counted from 1; empty for rules on a whole column."""
    count: int
    """Offending rows in all; 0 for rules on a whole column."""

    def __str__(self) -> str:
        """One line: what is wrong, where, and what is allowed."""
        more = f" and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        where = f" in row {', '.join(map(str, self.rows))}{more}" if self.rows else ""
        return f"{self.column}: {self.rule}: {', '.join(self.found)}{where}, allowed: {self.allowed}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the checks of one site's table found."""

    site: str
    rows: int
    rules: int
    """How many rules were judged."""
    violations: tuple[Violation, ...]
    html: str
    """Great Expectations' data docs, one page."""

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return not self.violations

    @property
    def refusal(self) -> str:
        """Column, rule, offending values and rows of the first three broken rules; empty where every rule holds."""
        if self.passed:
            return ""
        shown = "; ".join(map(str, self.violations[:3]))
        more = f"; and {len(self.violations) - 3} more" if len(self.violations) > 3 else ""
        return f"{self.site}: {len(self.violations)} of {self.rules} checks failed: {shown}{more}"


def violation_of(result: ExpectationValidationResult, unreadable: dict[str, set[int]]) -> Violation | None:
    """A failed result in our words, or None if all it tells of is told elsewhere.

    Args:
        result: One of the suite's results; the rule's `meta` holds column, rule and what is allowed.
        unreadable: Rows of cells that could not be read, by column; they are not told of again as missing.
    """
    config = result.expectation_config
    assert config is not None  # noqa: S101  it is set on every result of a suite
    told: dict[str, str] = config.meta or {}
    column, rule, limit = told["column"], told["rule"], told["allowed"]
    if result.exception_info.get("raised_exception", True) and "exception_message" in result.exception_info:
        return Violation(column, rule, limit, (str(result.exception_info["exception_message"]),), (), 0)
    indices = result.result.get("unexpected_index_list")
    if indices is None:
        return Violation(column, rule, limit, (_shown(result.result.get("observed_value")),), (), 0)
    rows = sorted(indices)
    if rule == "missing":  # a cell that can not be read is told of once, with its text
        rows = [row for row in rows if row not in unreadable.get(column, set())]
        return Violation(column, rule, limit, ("no value",), tuple(rows[:SHOWN]), len(rows)) if rows else None
    values = result.result.get("unexpected_list") or []
    distinct = ("the same values",) if column == "row" else tuple(sorted({_shown(value) for value in values})[:SHOWN])
    return Violation(column, rule, limit, distinct, tuple(rows[:SHOWN]), len(rows))


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else repr(value) if isinstance(value, str) else str(value)


def data_docs(result: ExpectationSuiteValidationResult, title: str) -> str:
    """Great Expectations' sections in a page of our own: its own page loads scripts and styles from eight hosts."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaSectionView

    for one in result.results:  # the library writes offending values into the page as they are
        one.result = {key: _escaped(v) for key, v in one.result.items() if key != "unexpected_index_query"}
    view = DefaultJinjaSectionView()
    document = ValidationResultsPageRenderer().render(result)
    sections = [
        view.render({"section": section.to_json_dict(), "section_loop": {"index": 1}})
        for section in document.sections[1:]
    ]
    failed = sum(not one.success for one in result.results)
    verdict = (
        f"{failed} of {len(result.results)} rules do not hold" if failed else f"all {len(result.results)} rules hold"
    )
    return (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style></head>"
        f"<body><h1>{title}</h1><p>{verdict}</p>{''.join(sections)}</body></html>"
    )


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return html.escape(value)
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value
