"""Step: run every gate on the challenger, stop the run when one says no, make it the champion when all agree."""

from typing import Annotated

import pandas as pd
from zenml import get_step_context, step

from tabular.bundle import Bundle
from tabular.champion import champion_on
from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.gates import Verdicts, or_refuse
from tabular.judging import judge_bundle
from tabular.training_config import GateSettings
from tracking.names import Artifact
from tracking.registration import Registration
from tracking.versions import Promotion, champion_bundle, promote


# One step, because nothing here takes longer than the start of a pod would. Without the cache: another run may have
# promoted another champion meanwhile, and no cache key holds the state of the registries.
@step(enable_cache=False)
def judge_challenger(
    contract: Contract,
    bundle: Bundle,
    registration: Registration,
    choice: Choice,
    train: pd.DataFrame,
    test: pd.DataFrame,
    gates: GateSettings,
    seed: int,
) -> tuple[Annotated[Verdicts, Artifact.VERDICTS], Annotated[Promotion, Artifact.PROMOTION]]:
    """Judge the challenger on evidence gathered from its bundle, beside the champion on the same rows; promote it.

    Args:
        contract: Names the model.
        bundle: The challenger.
        registration: Its version in the registry.
        choice: Its candidate and the validation scores.
        train: Rows it learned from.
        test: Held-out rows.
        gates: What it must prove.
        seed: For the samples that gates draw.

    Raises:
        Refused: A gate said no; every reason is named and the champion keeps serving.
        ConfigError: MLflow does not know the version.
    """
    champion = champion_on(contract, champion_bundle(contract.name), test)
    verdicts = judge_bundle(
        contract, bundle, choice, registration.parity_difference, train, test, champion, gates, seed
    )
    or_refuse(verdicts, f"{contract.name} version {registration.version}")
    context = get_step_context()
    (artifact,) = context.inputs["bundle"]
    return verdicts, promote(contract.name, registration, bundle.digest, artifact.id, context.pipeline_run.id)
