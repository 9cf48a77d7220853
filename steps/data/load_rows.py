"""Step: read every site of the contract."""

from typing import Annotated

import pandas as pd
from zenml import step

from steps.caching import on_imports
from tabular.contract import Contract
from tabular.sites import UnreadableCells, read_sites
from tracking.names import Artifact


@step(**on_imports(__file__))
def load_rows(
    contract: Contract, fingerprints: dict[str, str]
) -> tuple[Annotated[pd.DataFrame, Artifact.ROWS], Annotated[UnreadableCells, Artifact.UNREADABLE]]:
    """Read the sites of a contract into one table.

    Args:
        contract: Of the data set.
        fingerprints: Site to the sha256 of its file: the sites to read, and part of the cache key.

    Returns:
        Typed rows with a site column, and the cells that could not be typed.
    """
    rows, unreadable = read_sites(contract, list(fingerprints))
    return rows, unreadable
