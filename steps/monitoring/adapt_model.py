"""Step: adapt the champion to a site from the site's unlabelled rows."""

from dataclasses import replace
from typing import Annotated

from zenml import get_step_context, step

from steps.caching import on_imports
from tabular.adaptation import Adaptation, AdaptationSettings, adapt_bundle, or_refuse
from tabular.bundle import Bundle
from tabular.contract import Contract
from tabular.reading import read_site
from tabular.training_config import Cost
from tracking.bundle_materializer import BundleMaterializer
from tracking.mlflow_log import log_adaptation
from tracking.names import COMMIT, Artifact
from tracking.provenance import commit, provenance

MATERIALIZER = f"{BundleMaterializer.__module__}.{BundleMaterializer.__name__}"
"""By name: to resolve a class, ZenML opens its store, and that while this file is imported."""


@step(
    experiment_tracker=True,
    output_materializers={str(Artifact.ADAPTED): MATERIALIZER},
    **on_imports(__file__),
)
def adapt_model(
    contract: Contract, bundle: Bundle, site: str, fingerprint: str, cost: Cost, settings: AdaptationSettings
) -> tuple[Annotated[Bundle, Artifact.ADAPTED], Annotated[Adaptation, Artifact.ADAPTATION]]:
    """Fit, package and judge a model for one site, and log what was found, whatever the gates say.

    Args:
        contract: Of the data set.
        bundle: The champion.
        site: Whose rows are read; their target is left aside before anything looks at them.
        fingerprint: The sha256 of their file, for the cache key alone.
        cost: Of a miss and of a false alarm.
        settings: Technique and gates.

    Raises:
        Refused: A gate said no; what serves goes on serving.
    """
    unlabelled = read_site(contract, site).rows.drop(columns=contract.target.column, errors="ignore")
    made, report = adapt_bundle(contract, bundle, unlabelled, site, cost, settings)
    log_adaptation(report)
    or_refuse(report)
    run = get_step_context().pipeline_run
    made_from = bundle.provenance.get("data_md5", "")  # learnt from the same rows
    made_here = provenance(str(run.id), run.config.extra.get(COMMIT) or commit(), made_from)
    return replace(made, provenance=made_here), report
