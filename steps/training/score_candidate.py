"""Step: score one candidate by cross-validation; one invocation per candidate, side by side."""

from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
from zenml import step

from steps.caching import on_imports
from tabular.contract import Contract
from tabular.nesting import inner_scores
from tabular.scoring import Scored
from tabular.scoring import score_candidate as score
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import Candidate, Validation
from tracking.names import Artifact


@step(**on_imports(__file__))
def score_candidate(
    contract: Contract,
    train: pd.DataFrame,
    name: str,
    candidate: Candidate,
    space: dict[str, list[Any]],
    validation: Validation,
    metric: str,
    seed: int,
    jobs: int = 1,
) -> Annotated[Scored, Artifact.SCORES]:
    """Try every parameter combination of a candidate on the same folds, and where asked within outer folds too."""
    features, truth = to_tensor(contract, train), to_classes(contract, train)
    scored = score(contract, features, truth, name, candidate, space, validation, metric, seed, jobs)
    if validation.nested is None:
        return scored
    inner = inner_scores(contract, features, truth, name, candidate, space, validation.nested, metric, seed, jobs)
    return replace(scored, nested=inner)
