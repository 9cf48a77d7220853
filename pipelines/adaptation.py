"""Pipeline: adapt the champion to sites from their unlabelled rows."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from steps.monitoring.adapt_model import adapt_model
from tabular.adaptation import AdaptationSettings
from tabular.contract import Contract
from tabular.training_config import Cost
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def adaptation(contract: Contract, cost: Cost, settings: AdaptationSettings, fingerprints: dict[str, str]) -> None:
    """Adapt the champion to each site.

    1. Take the bundle that is linked to the run's model version.
    2. Fit, package and judge a model for each site; nothing is promoted or deployed.
    """
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    bundle = model.get_artifact(Artifact.BUNDLE)
    for site, fingerprint in fingerprints.items():
        adapt_model(contract, bundle, site, fingerprint, cost, settings, id=f"adapt_{site}")
