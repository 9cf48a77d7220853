"""Step: compare a site's rows with those the champion was trained on."""

import io
from typing import Annotated

import pandas as pd
from zenml import step
from zenml.types import HTMLString

from project import aside
from steps.caching import on_imports
from tabular.bundle import Bundle
from tabular.contract import Contract
from tabular.contract_changes import refuse_other_columns
from tabular.drift import DriftReport, DriftSettings
from tabular.drift import check_drift as check
from tabular.reading import read_site
from tracking.names import Artifact


@step(**on_imports(__file__))
def check_drift(
    contract: Contract, bundle: Bundle, site: str, fingerprint: str, settings: DriftSettings
) -> tuple[Annotated[DriftReport, Artifact.DRIFT], Annotated[HTMLString, Artifact.DRIFT_REPORT]]:
    """Judge the drift of one site against the bundle's reference; the page is Evidently's.

    Args:
        contract: Of the data set.
        bundle: The champion.
        site: Whose rows are read.
        fingerprint: The sha256 of their file, for the cache key alone.
        settings: What counts as drift.

    Raises:
        Refused: The contract has columns that the champion does not know.
    """
    refuse_other_columns(contract, bundle)
    reference = pd.read_parquet(io.BytesIO(bundle.content["reference.parquet"]))
    importance = bundle.json("metrics.json")["importance"]
    rows = read_site(contract, site).rows
    report, page = aside.run(check, contract, reference, rows, importance, site, settings)
    return report, HTMLString(page)
