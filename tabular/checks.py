"""Checks of a table before anything learns from it: a Great Expectations suite made from the contract.

The suite judges one frame: the typed columns, and beside them what can not be said of a typed column alone
(`age, unreadable`: the cells that did not fit its type; `num is disease`: the share of a class;
`age, AUC alone`: how well the column by itself ranks the classes).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from project.errors import Refused
from tabular.contract import Contract
from tabular.leakage import single_feature_auc
from tabular.reading import Table, allowed

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

SHOWN = 5
"""Offending values and row numbers named per violation; the count says how many there are."""


STYLE = """body{font:15px/1.5 sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}h5{font-size:1.1rem;margin:1.5rem 0 .3rem}
table{border-collapse:collapse;width:100%}th,td{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}
.badge{background:#eee;border-radius:3px;padding:0 .3em}i.text-success::before{content:"✓";color:#1a7f37}
i.text-danger::before{content:"✗";color:#c00}"""


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

    def raise_if_failed(self) -> None:
        """Refuse the table.

        Raises:
            Refused: A rule does not hold; names column, rule, offending values and rows of the first three.
        """
        if self.passed:
            return
        shown = "; ".join(map(str, self.violations[:3]))
        more = f"; and {len(self.violations) - 3} more" if len(self.violations) > 3 else ""
        raise Refused(
            f"{self.site}: {len(self.violations)} of {self.rules} checks failed: {shown}{more}",
            "correct the rows or the contract, then python run.py data validate",
        )


def check_rows(contract: Contract, table: Table, site: str) -> CheckReport:
    """Check a site's table against everything its contract says.

    Every site: types, ranges, allowed codes, values that must be there, rows that repeat. The training site
    also: number of rows, share of each class, share of missing values, and columns that rank the classes too
    well to be true. An external site is only reported on, and may lack whole columns: it is not refused for
    what it does not have.

    Args:
        contract: Ranges, codes and limits.
        table: The site's table as read.
        site: The site's name; its role decides which rules count.
    """
    trained_on = contract.sites[site].role == "train"
    frame = _frame(contract, table, trained_on)
    result = _validate(frame, list(_rules(contract, frame, trained_on)), f"{contract.name}, {site}")
    unreadable: dict[str, set[int]] = {}
    for cell in table.unreadable:
        unreadable.setdefault(cell.column, set()).add(cell.row)
    found = [_violation(one, unreadable) for one in result.results if not one.success]
    violations = sorted((v for v in found if v is not None), key=lambda v: (v.column, v.rule))
    return CheckReport(site, len(table.rows), len(result.results), tuple(violations), _html(result, f"Checks of {contract.name}, {site}"))


def _frame(contract: Contract, table: Table, trained_on: bool) -> pd.DataFrame:
    columns: dict[str, Any] = {name: table.rows[name] for name in table.rows}
    for name in table.rows:
        columns[f"{name}, unreadable"] = pd.Series(None, index=table.rows.index, dtype=object)
    for cell in table.unreadable:
        columns[f"{cell.column}, unreadable"].iloc[cell.row - 1] = cell.value
    target = contract.target.column
    if trained_on and target in table.rows:
        for label in contract.target.labels:
            columns[f"{target} is {label}"] = (table.rows[target] == label).fillna(False).astype(float)
        for name in contract.features:
            columns[f"{name}, AUC alone"] = single_feature_auc(table.rows[name], table.rows[target])
    return pd.DataFrame(columns).set_index(np.arange(1, len(table.rows) + 1))  # rows are told of counted from 1


def _rules(contract: Contract, frame: pd.DataFrame, trained_on: bool) -> Iterator[Expectation]:
    import great_expectations.expectations as gxe

    limits, target = contract.checks, contract.target.column
    for name, feature in contract.features.items():
        yield gxe.ExpectColumnValuesToBeNull(
            column=f"{name}, unreadable", meta=_meta(name, "unreadable", allowed(feature))
        )
        if feature.minimum is not None or feature.maximum is not None:
            yield gxe.ExpectColumnValuesToBeBetween(
                column=name,
                min_value=feature.minimum,
                max_value=feature.maximum,
                meta=_meta(name, "out of range", allowed(feature)),
            )
        if feature.codes:
            yield gxe.ExpectColumnValuesToBeInSet(
                column=name, value_set=feature.codes, meta=_meta(name, "unknown code", allowed(feature))
            )
        if not feature.nullable:
            yield gxe.ExpectColumnValuesToNotBeNull(column=name, meta=_meta(name, "missing", "a value in every row"))
        elif trained_on:
            share = limits.maximum_missing_share
            yield gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(
                column=name,
                min_value=1 - share,
                strict_min=share == 1,
                meta=_meta(name, "share of rows with a value", f"{1 - share:g} or more" if share < 1 else "above 0"),
            )
    if target not in frame:
        return
    yield gxe.ExpectColumnValuesToBeNull(
        column=f"{target}, unreadable",
        meta=_meta(target, "unknown class", ", ".join(str(v) for c in contract.target.classes for v in c.values)),
    )
    yield gxe.ExpectCompoundColumnsToBeUnique(
        column_list=[*contract.features, target],
        mostly=1 - limits.maximum_duplicate_share,
        meta=_meta("row", "equal to another row", f"a share of at most {limits.maximum_duplicate_share:g}"),
    )
    if not trained_on:
        return
    yield gxe.ExpectTableRowCountToBeBetween(
        min_value=limits.minimum_rows, meta=_meta("table", "number of rows", f"{limits.minimum_rows} or more")
    )
    least = limits.minimum_class_share
    for label in contract.target.labels:
        yield gxe.ExpectColumnMeanToBeBetween(
            column=f"{target} is {label}",
            min_value=least,
            strict_min=least == 0,
            meta=_meta(target, f"share of class {label!r}", f"{least:g} or more" if least else "above 0"),
        )
    for name in contract.features:
        yield gxe.ExpectColumnMaxToBeBetween(
            column=f"{name}, AUC alone",
            max_value=limits.maximum_single_feature_auc,
            meta=_meta(
                name, "leakage, AUC of this column alone", f"{limits.maximum_single_feature_auc:g} or less"
            ),
        )


def _meta(column: str, rule: str, allowed_: str) -> dict[str, str]:
    return {"column": column, "rule": rule, "allowed": allowed_}


def _validate(frame: pd.DataFrame, rules: list[Expectation], name: str) -> ExpectationSuiteValidationResult:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("memory").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch(batch_parameters={"dataframe": frame})
    result = batch.validate(gx.ExpectationSuite(name=name, expectations=rules), result_format="COMPLETE")
    for one in result.results:  # the data docs can not render numpy's own numbers
        observed = one.result.get("observed_value")
        if isinstance(observed, np.generic):
            one.result["observed_value"] = observed.item()
    return result


def _violation(result: ExpectationValidationResult, unreadable: dict[str, set[int]]) -> Violation | None:
    config = result.expectation_config
    assert config is not None  # it is set on every result of a suite
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


def _html(result: ExpectationSuiteValidationResult, title: str) -> str:
    """Great Expectations' sections in a page of our own: its own page loads scripts and styles from eight hosts."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaSectionView

    view = DefaultJinjaSectionView()
    document = ValidationResultsPageRenderer().render(result)
    sections = [view.render({"section": section.to_json_dict(), "section_loop": {"index": 1}}) for section in document.sections[1:]]
    failed = sum(not one.success for one in result.results)
    verdict = f"{failed} of {len(result.results)} rules do not hold" if failed else f"all {len(result.results)} rules hold"
    return (
        f"<!DOCTYPE html><html><head><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style></head>"
        f"<body><h1>{title}</h1><p>{verdict}</p>{''.join(sections)}</body></html>"
    )
