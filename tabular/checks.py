"""Checks of a table before anything learns from it: a Great Expectations suite made from the contract.

The suite judges one frame: the typed columns, and beside them what can not be said of a typed column alone
(`age, unreadable`: the cells that did not fit its type; `num is disease`: the share of a class;
`age, AUC alone`: how well the column by itself ranks the classes).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tabular.cells import allowed
from tabular.check_report import CheckReport, data_docs, violation_of
from tabular.contract import Contract
from tabular.leakage import single_feature_auc
from tabular.reading import Table

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations.expectation import Expectation


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
    role = contract.sites[site].role
    trained_on, has_target = role == "train", role != "unlabelled" and contract.target.column in table.rows
    frame = _frame(contract, table, trained_on)
    result = _validate(frame, list(rules(contract, trained_on, has_target)), f"{contract.name}, {site}")
    unreadable: dict[str, set[int]] = {}
    for cell in table.unreadable:
        unreadable.setdefault(cell.column, set()).add(cell.row)
    found = [violation_of(one, unreadable) for one in result.results if not one.success]
    violations = sorted((v for v in found if v is not None), key=lambda v: (v.column, v.rule))
    return CheckReport(
        site,
        len(table.rows),
        len(result.results),
        tuple(violations),
        data_docs(result, f"Checks of {contract.name}, {site}"),
    )


def _frame(contract: Contract, table: Table, trained_on: bool) -> pd.DataFrame:
    columns: dict[str, Any] = {str(name): table.rows[name] for name in table.rows}
    for name in table.rows:
        columns[f"{name}, unreadable"] = pd.Series(None, index=table.rows.index, dtype=object)
    for cell in table.unreadable:
        columns[f"{cell.column}, unreadable"].iloc[cell.row - 1] = cell.value
    target = contract.target.column
    if trained_on and target in table.rows:
        for label in contract.target.labels:
            columns[f"{target} is {label}"] = (table.rows[target] == label).fillna(False).astype(float)
        for name in contract.features:
            alone = single_feature_auc(table.rows[name], table.rows[target], contract.features[name].is_number)
            columns[f"{name}, AUC alone"] = alone
    return pd.DataFrame(columns).set_index(np.arange(1, len(table.rows) + 1))  # rows are told of counted from 1


def rules(contract: Contract, trained_on: bool, has_target: bool) -> Iterator[Expectation]:
    """What is asked of a site's rows, as Great Expectations puts it.

    Args:
        contract: Ranges, codes and limits.
        trained_on: Whether the site is learnt from; another is asked for less.
        has_target: Whether its rows have the target.
    """
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
    if not has_target:
        return
    yield gxe.ExpectColumnValuesToBeNull(
        column=f"{target}, unreadable",
        meta=_meta(target, "unknown class", ", ".join(contract.target.values)),
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
            meta=_meta(name, "leakage, AUC of this column alone", f"{limits.maximum_single_feature_auc:g} or less"),
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
