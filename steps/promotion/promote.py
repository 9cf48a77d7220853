"""Step: make the challenger the champion."""

from typing import Annotated

from zenml import get_step_context, step

from tabular.bundle import Bundle
from tabular.contract import Contract
from tabular.gates import Verdicts
from tracking.names import Artifact
from tracking.registration import Registration
from tracking.versions import Promotion
from tracking.versions import promote as promote_version


@step(enable_cache=False)  # it changes the registries, whose state no cache key holds
def promote(
    contract: Contract, bundle: Bundle, registration: Registration, verdicts: Verdicts
) -> Annotated[Promotion, Artifact.PROMOTION]:
    """Move the champion alias in MLflow and the production stage in ZenML to this version; a no-op if they are there.

    Args:
        contract: Names the model.
        bundle: The challenger.
        registration: Its version in the registry.
        verdicts: What the gates said; this step runs after they agreed.
    """
    (artifact,) = get_step_context().inputs["bundle"]
    return promote_version(contract.name, registration, bundle.digest, artifact.id)
