"""Step: read every site and check its rows against the contract; stop the run when they break it."""

from typing import Annotated

import pandas as pd
from zenml import save_artifact, step
from zenml.types import HTMLString

from project import aside
from steps.caching import on_imports
from tabular.check_summary import CheckSummary, check_sites
from tabular.contract import Contract
from tabular.sites import read_sites
from tracking.names import Artifact
from tracking.table_materializer import TABLES


# One step, because on a cluster the start of a second pod would take longer than the checks.
@step(output_materializers={str(Artifact.ROWS): TABLES}, **on_imports(__file__))
def load_rows(
    contract: Contract, fingerprints: dict[str, str]
) -> tuple[
    Annotated[pd.DataFrame, Artifact.ROWS],
    Annotated[CheckSummary, Artifact.DATA_CHECKS],
    Annotated[HTMLString, Artifact.DATA_DOCS],
]:
    """Read the sites of a contract into one table, and check them with the suite made from the contract.

    Args:
        contract: Of the data set.
        fingerprints: Site to the sha256 of its file: the sites to read, and part of the cache key.

    Returns:
        Typed rows with a site column, what the checks found, and their page.

    Raises:
        Refused: A rule is broken; the page is kept as an artifact all the same.
    """
    rows, unreadable = read_sites(contract, list(fingerprints))
    summary, page = aside.run(check_sites, contract, rows, unreadable)
    if not summary.passed:
        save_artifact(HTMLString(page), Artifact.DATA_DOCS)
    summary.raise_if_failed(contract.name)
    return rows, summary, HTMLString(page)
