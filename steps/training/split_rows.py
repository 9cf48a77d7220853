"""Step: split the training site, and set the other sites apart."""

from typing import Annotated

import pandas as pd
from zenml import step

from steps.caching import on_imports
from tabular.contract import Contract
from tabular.splitting import split_sites
from tracking.names import Artifact
from tracking.table_materializer import TABLES


@step(
    output_materializers={str(name): TABLES for name in (Artifact.TRAIN, Artifact.TEST, Artifact.EXTERNAL)},
    **on_imports(__file__),
)
def split_rows(
    contract: Contract, rows: pd.DataFrame, test_share: float, seed: int
) -> tuple[
    Annotated[pd.DataFrame, Artifact.TRAIN],
    Annotated[pd.DataFrame, Artifact.TEST],
    Annotated[pd.DataFrame, Artifact.EXTERNAL],
]:
    """Split the training site, stratified and seeded.

    Returns:
        Rows to learn from, rows to test on, and the rows of external sites, which are only reported.
    """
    parts = split_sites(contract, rows, test_share, seed)
    return parts.train, parts.test, parts.external
