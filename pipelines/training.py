"""Pipeline: train and judge one model."""

from zenml import pipeline
from zenml.enums import ExecutionMode

from steps.data.load_rows import load_rows
from steps.promotion.judge_challenger import judge_challenger
from steps.training.package_model import package_model
from steps.training.score_candidate import score_candidate
from steps.training.split_rows import split_rows
from tabular.contract import Contract
from tabular.fingerprints import DataHashes
from tabular.training_config import Profile, TrainingConfig


@pipeline(execution_mode=ExecutionMode.FAIL_FAST)
def training(
    contract: Contract,
    config: TrainingConfig,
    profile: Profile,
    fingerprints: dict[str, str],
    data: DataHashes,
    registry: str,
    jobs: int = 1,
) -> None:
    """Train and judge one model for a data set.

    1. Load every site and check it against the contract.
    2. Split the training site; the other sites are only reported.
    3. Score every candidate, side by side.
    4. Choose one on validation scores, package it, register it as challenger.
    5. Judge it against the gates and the champion; promote it if they agree.
    """
    metric, seed = config.selection_metric, config.seed
    rows, _, _ = load_rows(contract, fingerprints)
    train, test, external = split_rows(contract, rows, config.test_share, seed)
    validation = config.validation(profile)
    scores = [
        score_candidate(contract, train, name, candidate, space, validation, metric, seed, jobs, id=f"score_{name}")
        for name, candidate, space in config.taking_part(profile)
    ]
    choice, bundle, registration = package_model(
        contract, scores, metric, config.cost, train, test, external, data, seed, registry
    )
    judge_challenger(contract, bundle, registration, choice, train, test, config.gates, seed)
