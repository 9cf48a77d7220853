"""The checks of all sites: one summary to decide on, one page to look at."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from project.errors import Refused
from tabular.check_report import CheckReport
from tabular.checks import check_rows
from tabular.contract import Contract
from tabular.sites import UnreadableCells, tables

STYLE = (
    "body{font-family:system-ui,sans-serif;margin:1rem}iframe{width:100%;height:80vh;border:1px solid #ccc}"
    "summary{font-size:1.1rem;padding:.4rem}"
)


@dataclass(frozen=True, slots=True)
class SiteSummary:
    """What the checks of one site found."""

    site: str
    rows: int
    rules: int
    violations: list[str]
    refusal: str
    """See `CheckReport.refusal`."""


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """What the checks of every site found, in the order of the contract."""

    sites: list[SiteSummary]

    @property
    def passed(self) -> bool:
        """Whether every rule holds at every site."""
        return not any(site.violations for site in self.sites)

    def raise_if_failed(self, dataset: str) -> None:
        """Raise `Refused` for the first site of the data set that breaks a rule."""
        again = f"python run.py data validate --dataset {dataset}"
        for site in self.sites:
            if site.refusal:
                raise Refused(site.refusal, f"correct the rows or the contract, then {again}")


def check_sites(contract: Contract, rows: pd.DataFrame, unreadable: UnreadableCells) -> tuple[CheckSummary, str]:
    """Check every site; the page holds Great Expectations' data docs of each."""
    reports = [check_rows(contract, table, site) for site, table in tables(rows, unreadable).items()]
    return CheckSummary([_summary(report) for report in reports]), page(reports)


def page(reports: Sequence[CheckReport]) -> str:
    """One HTML page of several sites' data docs, those with broken rules unfolded."""
    parts = []
    for report in reports:
        state = "passed" if report.passed else f"{len(report.violations)} of {report.rules} rules broken"
        parts.append(
            f"<details {'' if report.passed else 'open'}>"
            f"<summary>{html.escape(report.site)}: {report.rows} rows, {state}</summary>"
            f'<iframe title="{html.escape(report.site)}" srcdoc="{html.escape(report.html)}"></iframe></details>'
        )
    verdict = "all rules hold" if all(report.passed for report in reports) else "rules are broken"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Data checks</title>'
        f"<style>{STYLE}</style><h1>Data checks: {verdict}</h1>"
        f"{''.join(parts)}</html>"
    )


def _summary(report: CheckReport) -> SiteSummary:
    return SiteSummary(report.site, report.rows, report.rules, [str(v) for v in report.violations], report.refusal)
