"""The drift report as people read it: verdict and ranking first, Evidently's pictures below."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from tabular.contract import Contract

if TYPE_CHECKING:
    from tabular.drift import DriftReport, FeatureDrift

BODY = "<body>"
STYLE = (
    "font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff;"
    "line-height:1.5"
)


def with_verdict(page: str, contract: Contract, report: DriftReport) -> str:
    """Evidently's page with our verdict on top of it.

    Args:
        page: A whole HTML document.
        contract: Names the data set.
        report: Features most important drift first.
    """
    rows = "".join(map(_row, report.features))
    verdict = (
        f'<section style="{STYLE}"><h1>Drift at {html.escape(report.site)}: {report.outcome}</h1>'
        f"<p>{report.rows} rows against those {html.escape(contract.title)} was trained on: "
        f"{report.drifted_importance:.0%} of what the model looks at has moved. "
        f"Next: <code>{html.escape(report.next_command)}</code></p>"
        '<table style="border-collapse:collapse;width:100%;text-align:left"><tr><th>feature</th><th>importance</th>'
        "<th>distance</th><th>by chance</th><th>missing</th><th>how</th><th>drifted</th></tr>"
        f"{rows}</table></section>"
    )
    return page.replace(BODY, BODY + verdict, 1)


def _row(feature: FeatureDrift) -> str:
    distance = "–" if feature.distance is None else f"{feature.distance:.2f}"
    cells = (
        feature.feature,
        f"{feature.importance:.0%}",
        distance,
        f"{feature.by_chance:.2f}",
        f"{feature.missing_before:.0%} to {feature.missing_now:.0%}",
        feature.direction,
        "yes" if feature.drifted else "",
    )
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
