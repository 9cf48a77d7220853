"""Pipeline: put the champion behind its endpoint."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from deployers.rollout import RolloutSettings
from steps.deployment.deploy_champion import deploy_champion
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def deployment(version: str, rollout: RolloutSettings, port: int | None = None) -> None:
    """Deploy the version that the run's model names.

    1. Take the bundle that is linked to the model version.
    2. Let it take over the endpoint as `rollout` says; a smoke prediction and the guard decide whether it stays.
    """
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    deploy_champion(model.get_artifact(Artifact.BUNDLE), version, rollout, port)
