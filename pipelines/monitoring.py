"""Pipeline: compare rows of sites with those the champion was trained on."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from steps.monitoring.check_drift import check_drift
from tabular.contract import Contract
from tabular.drift import DriftSettings
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def monitoring(contract: Contract, settings: DriftSettings, fingerprints: dict[str, str]) -> None:
    """Check the drift of each site.

    1. Take the reference from the bundle that is linked to the run's model version.
    2. Read the rows of each site and judge them, side by side.
    """
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    bundle = model.get_artifact(Artifact.BUNDLE)
    for site, fingerprint in fingerprints.items():
        check_drift(contract, bundle, site, fingerprint, settings, id=f"drift_{site}")
