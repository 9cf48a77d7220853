"""Step: run every gate on the challenger and stop the run when one says no."""

from typing import Annotated

import pandas as pd
from zenml import step

from steps.caching import on_imports
from tabular.bundle import Bundle
from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.evaluation import ChampionLoss
from tabular.gates import Verdicts, or_refuse
from tabular.judging import judge_bundle
from tabular.training_config import GateSettings
from tracking.names import Artifact
from tracking.registration import Registration


@step(**on_imports(__file__))
def judge_challenger(
    contract: Contract,
    bundle: Bundle,
    registration: Registration,
    choice: Choice,
    train: pd.DataFrame,
    test: pd.DataFrame,
    champion: ChampionLoss,
    gates: GateSettings,
    seed: int,
) -> Annotated[Verdicts, Artifact.VERDICTS]:
    """Judge the challenger on evidence gathered from its bundle.

    Raises:
        Refused: A gate said no; every reason is named and the champion keeps serving.
    """
    verdicts = judge_bundle(
        contract, bundle, choice, registration.parity_difference, train, test, champion, gates, seed
    )
    or_refuse(verdicts, f"{contract.name} version {registration.version}")
    return verdicts
