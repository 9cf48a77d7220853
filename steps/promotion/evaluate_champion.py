"""Step: what the serving version makes of the same held-out rows."""

from typing import Annotated

import pandas as pd
from zenml import step

from tabular.contract import Contract
from tabular.evaluation import ChampionLoss, champion_loss
from tracking.names import Artifact
from tracking.versions import champion_bundle


@step(enable_cache=False)  # another run may have promoted another champion meanwhile
def evaluate_champion(contract: Contract, test: pd.DataFrame) -> Annotated[ChampionLoss, Artifact.CHAMPION_LOSS]:
    """Log loss of the champion per held-out row; empty for a first model or one of another contract."""
    return champion_loss(contract, champion_bundle(contract.name), test)
