"""Pipeline: predict a file."""

from zenml import get_pipeline_context, pipeline
from zenml.enums import ExecutionMode

from steps.batch.predict_rows import predict_rows
from tabular.batch import BatchFiles, BatchSettings
from tracking.names import Artifact


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def batch_inference(files: BatchFiles, settings: BatchSettings, max_rejects: int | None = None) -> None:
    """Predict a file with the version that the run's model names.

    1. Take the bundle that is linked to the model version.
    2. Predict the rows that fit its contract, and list the others with the reason.
    """
    model = get_pipeline_context().model
    assert model is not None  # noqa: S101  the command names the version
    predict_rows(model.get_artifact(Artifact.BUNDLE), files, settings, max_rejects)
