"""Step: check the rows against their contract; stop the run when they break it."""

from typing import Annotated

import pandas as pd
from zenml import save_artifact, step
from zenml.types import HTMLString

from project import aside
from steps.caching import on_imports
from tabular.check_summary import CheckSummary, check_sites
from tabular.contract import Contract
from tabular.sites import UnreadableCells
from tracking.names import Artifact


@step(**on_imports(__file__))
def check_rows(
    contract: Contract, rows: pd.DataFrame, unreadable: UnreadableCells
) -> tuple[
    Annotated[pd.DataFrame, Artifact.CHECKED_ROWS],
    Annotated[CheckSummary, Artifact.DATA_CHECKS],
    Annotated[HTMLString, Artifact.DATA_DOCS],
]:
    """Check all sites with the suite made from the contract.

    Raises:
        Refused: A rule is broken; the data docs are kept as an artifact all the same.
    """
    summary, page = aside.run(check_sites, contract, rows, unreadable)
    if not summary.passed:
        save_artifact(HTMLString(page), Artifact.DATA_DOCS)
    summary.raise_if_failed(contract.name)
    return rows, summary, HTMLString(page)
