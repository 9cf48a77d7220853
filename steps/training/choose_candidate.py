"""Step: choose a candidate and its threshold."""

from typing import Annotated

import pandas as pd
from zenml import step

from steps.caching import on_imports
from tabular.choosing import Choice, make_choice
from tabular.contract import Contract
from tabular.scoring import Scored
from tabular.tensors import to_classes
from tabular.training_config import TrainingConfig
from tracking.names import Artifact


@step(**on_imports(__file__))
def choose_candidate(
    contract: Contract, train: pd.DataFrame, scores: list[Scored], config: TrainingConfig
) -> Annotated[Choice, Artifact.CHOICE]:
    """Choose the simplest candidate within one standard error of the best, on validation scores alone."""
    return make_choice(scores, to_classes(contract, train), config)
