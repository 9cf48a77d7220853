"""Pipeline: compare rows of sites with those the champion was trained on."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from steps.data.load_rows import load_rows
from steps.monitoring.check_drift import check_drift
from tabular.contract import Contract
from tabular.drift import DriftSettings
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def monitoring(contract: Contract, settings: DriftSettings, fingerprints: dict[str, str]) -> None:
    """Check the drift of each site.

    1. Load the rows of the sites.
    2. Take the reference from the bundle that is linked to the run's model version.
    3. Judge each site, side by side.
    """
    rows, _ = load_rows(contract, fingerprints)
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    bundle = model.get_artifact(Artifact.BUNDLE)
    for site in fingerprints:
        check_drift(contract, bundle, rows, site, settings, id=f"drift_{site}")
