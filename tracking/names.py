"""Names of artifacts, aliases and tags: written by steps, read by look-ups."""

from __future__ import annotations

from enum import StrEnum

COMMIT = "commit"
"""Key in a run's `extra`, which is no part of a cache key: the commit of the tree that started it."""

INPUTS = "inputs_sha256"
"""Another: a hash over all that the run depends on."""


class Artifact(StrEnum):
    """Names under which steps store their outputs."""

    ROWS = "rows"
    DATA_CHECKS = "data_checks"
    DATA_DOCS = "data_docs"
    TRAIN = "train_rows"
    TEST = "test_rows"
    EXTERNAL = "external_rows"
    SCORES = "candidate_scores"
    CHOICE = "choice"
    BUNDLE = "bundle"
    REGISTRATION = "registration"
    MODEL_CARD = "model_card"
    VERDICTS = "verdicts"
    PROMOTION = "promotion"
    CHAMPION = "champion_bundle"
    ENDPOINT = "endpoint"
    DRIFT = "drift"
    DRIFT_REPORT = "drift_report"
    ADAPTED = "adapted_bundle"
    ADAPTATION = "adaptation"
    BATCH_SUMMARY = "batch_summary"


class Alias(StrEnum):
    """Aliases of a registered model's versions in MLflow."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class Stage(StrEnum):
    """Stages of a model version in ZenML that mean the same."""

    CHAMPION = "production"
    FORMER = "archived"
