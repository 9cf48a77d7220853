"""Pipeline: adapt the champion to sites from their unlabelled rows."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from steps.data.load_rows import load_rows
from steps.monitoring.adapt_model import adapt_model
from tabular.adaptation import AdaptationSettings
from tabular.contract import Contract
from tabular.training_config import Cost
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def adaptation(contract: Contract, cost: Cost, settings: AdaptationSettings, fingerprints: dict[str, str]) -> None:
    """Adapt the champion to each site.

    1. Load the rows of the sites.
    2. Take the bundle that is linked to the run's model version.
    3. Fit, package and judge a model for each site; nothing is promoted or deployed.
    """
    rows, _ = load_rows(contract, fingerprints)
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    bundle = model.get_artifact(Artifact.BUNDLE)
    for site in fingerprints:
        adapt_model(contract, bundle, rows, site, cost, settings, id=f"adapt_{site}")
