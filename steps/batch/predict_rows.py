"""Step: predict a file with a version's bundle."""

from typing import Annotated

from zenml import step

from tabular.batch import BatchFiles, BatchSettings, BatchSummary, predict_file
from tabular.bundle import Bundle
from tracking.names import Artifact


@step(enable_cache=False)  # it writes a file, which no cache key holds
def predict_rows(
    bundle: Bundle, files: BatchFiles, settings: BatchSettings, max_rejects: int | None = None
) -> Annotated[BatchSummary, Artifact.BATCH_SUMMARY]:
    """Predict the rows that fit the contract; the others are told of in the rejects file.

    Args:
        bundle: The model.
        files: What to read and write; on a cluster, addresses that its pods reach.
        settings: Chunk size and limit.
        max_rejects: Rows that may be rejected, instead of the share in `settings`.

    Raises:
        Refused: Too many rows do not fit, or the file is not what the contract says.
    """
    return predict_file(bundle, files, settings, max_rejects)
