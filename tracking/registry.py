"""The MLflow server of the active stack: configured as its tracker says, without starting a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from project.errors import Unreachable
from project.paths import ROOT

if TYPE_CHECKING:
    from mlflow import MlflowClient


def registry() -> MlflowClient:
    """An MLflow client on the active stack's tracker.

    Raises:
        Unreachable: The stack has no tracker, or it is not MLflow.
    """
    from mlflow import MlflowClient
    from zenml.client import Client
    from zenml.integrations.mlflow.experiment_trackers import MLFlowExperimentTracker

    stack = Client().active_stack
    if not isinstance(stack.experiment_tracker, MLFlowExperimentTracker):
        raise Unreachable(f"stack {stack.name!r} has no MLflow experiment tracker", "python run.py stack doctor")
    stack.experiment_tracker.configure_mlflow()
    return MlflowClient()


def registry_identity(experiment: str) -> str:
    """Which registry this is, so that a cached step is not taken for one that wrote to another registry.

    Creates the experiment where it does not exist: on a database file its artifacts go to `./mlruns` of the
    project, wherever the command was typed.

    Returns:
        Experiment id and creation time in milliseconds.
    """
    client = registry()
    found = client.get_experiment_by_name(experiment)
    if found is None:
        local = client.tracking_uri.startswith("sqlite:")
        location = (ROOT / "mlruns" / experiment).as_uri() if local else None
        found = client.get_experiment(client.create_experiment(experiment, artifact_location=location))
    return f"{found.experiment_id}:{found.creation_time}"
