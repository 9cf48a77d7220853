"""Step: choose a candidate, fit it, package it as a bundle, and log it as the challenger."""

from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from project import aside
from steps.caching import on_imports
from tabular.bundle import Bundle
from tabular.choosing import Choice, make_choice
from tabular.contract import Contract
from tabular.fingerprints import DataHashes
from tabular.packaging import package
from tabular.scoring import Scored
from tabular.sites import rows_of
from tabular.tensors import to_classes
from tabular.training_config import Cost
from tracking.bundle_materializer import BundleMaterializer
from tracking.mlflow_log import active_run, log_challenger
from tracking.names import COMMIT, Artifact
from tracking.provenance import commit, provenance
from tracking.registration import Registration

MATERIALIZER = f"{BundleMaterializer.__module__}.{BundleMaterializer.__name__}"
"""By name: to resolve a class, ZenML opens its store, and that while this file is imported."""


# One step, because on a cluster the start of a pod that only chooses would take longer than the choice.
@step(
    experiment_tracker=True,
    output_materializers={str(Artifact.BUNDLE): MATERIALIZER},
    **on_imports(__file__),
)
def package_model(
    contract: Contract,
    scores: list[Scored],
    metric: str,
    cost: Cost,
    train: pd.DataFrame,
    test: pd.DataFrame,
    external: pd.DataFrame,
    data: DataHashes,
    seed: int,
    registry: str,
) -> tuple[
    Annotated[Choice, Artifact.CHOICE],
    Annotated[Bundle, Artifact.BUNDLE],
    Annotated[Registration, Artifact.REGISTRATION],
]:
    """Choose on validation scores, fit on all training rows, export, evaluate, bundle; register the version in MLflow.

    Args:
        contract: Of the data set.
        scores: Of every candidate, on the same folds.
        metric: By which the simplest candidate within one standard error of the best is chosen.
        cost: Of a miss and of a false alarm, for the threshold.
        train: Rows to learn from.
        test: Held-out rows.
        external: Rows of sites the model never sees.
        data: Hashes over the files of all sites.
        seed: For estimators and samples that draw.
        registry: Identity of the registry the version is written to: another registry, another run.

    Raises:
        Refused: The model can not be exported to ONNX.
    """
    choice = make_choice(scores, to_classes(contract, train), metric, cost)
    sites = {site: rows_of(external, site) for site in contract.external_sites}
    packaged = package(contract, choice, train, test, sites, data.sha256, seed)
    run = get_step_context().pipeline_run
    bundle = packaged.with_provenance(provenance(str(run.id), run.config.extra.get(COMMIT) or commit(), data.md5))
    return choice, bundle, aside.run(log_challenger, active_run(), contract, bundle, packaged, choice, train)
