"""Where the runs of a stack are looked at."""

from __future__ import annotations


def links() -> dict[str, str]:
    """Where the active stack's runs are looked at: a server's address, or the command that starts one here."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    client = Client()
    trackers = client.active_stack_model.components.get(StackComponentType.EXPERIMENT_TRACKER, [])
    mlflow = str(trackers[0].configuration.get("tracking_uri")) if trackers else "none"
    if mlflow.startswith("sqlite:"):
        mlflow = "mlflow ui --backend-store-uri sqlite:///mlflow.db --default-artifact-root ./mlruns"
    zenml = client.zen_store.url
    return {"MLflow": mlflow, "ZenML": "zenml login --local" if zenml.startswith("sqlite:") else f"zenml login {zenml}"}
