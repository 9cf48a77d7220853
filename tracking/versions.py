"""Versions of a model: ZenML's model control plane and MLflow's aliases, kept in step."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from project.errors import ConfigError, Refused
from tabular.bundle import Bundle
from tracking.names import Alias, Artifact, Stage
from tracking.registration import Registration

if TYPE_CHECKING:
    from zenml.models import ModelVersionResponse

DIGEST_TAG = "bundle_digest"


@dataclass(frozen=True, slots=True)
class Promotion:
    """The champion after a run."""

    model: str
    version: str
    digest: str
    changed: bool
    """False where this very bundle was the champion before."""


def champion(model: str) -> ModelVersionResponse | None:
    """The version that is in ZenML's production stage, or None before the first promotion."""
    from zenml.client import Client
    from zenml.enums import ModelStages

    try:
        return Client().get_model_version(model, ModelStages.PRODUCTION)
    except KeyError:
        return None


def champion_bundle(model: str) -> Bundle | None:
    """The champion's bundle from the artifact store, verified; None before the first promotion."""
    version = champion(model)
    return bundle_of(version) if version else None


def bundle_of(version: ModelVersionResponse) -> Bundle:
    """The bundle linked to a model version.

    Raises:
        Refused: The version has no bundle, or a byte of it differs from its manifest.
    """
    artifact = version.get_artifact(Artifact.BUNDLE)
    if artifact is None:
        raise Refused(f"{version.model.name} version {version.name} has no bundle", "python run.py train")
    return cast("Bundle", artifact.load())


def promote(model: str, registration: Registration, digest: str, artifact: UUID) -> Promotion:
    """Make a registered version the champion in MLflow and ZenML.

    MLflow first: if the second write fails, the next run finds ZenML's champion behind and repeats both.

    Args:
        model: Registered model, named as the data set.
        registration: The version in MLflow.
        digest: Of its bundle.
        artifact: ZenML's artifact version id of the bundle.

    Raises:
        ConfigError: MLflow does not know the version; its database was replaced after the step was cached.
    """
    from mlflow.exceptions import MlflowException

    from tracking.registry import registry

    current = champion(model)
    if current is not None and current.run_metadata.get(DIGEST_TAG) == digest:
        return Promotion(model, current.name, digest, changed=False)
    mlflow_client = registry()
    try:
        mlflow_client.set_registered_model_alias(model, Alias.CHAMPION, registration.number)
    except MlflowException as error:
        raise ConfigError(
            f"MLflow has no {model} version {registration.version}: {error.message}", "python run.py --no-cache"
        ) from None
    version = _version(model, registration, digest, artifact)
    version.set_stage(Stage.CHAMPION, force=True)
    return Promotion(model, version.name, digest, changed=True)


def _version(model: str, registration: Registration, digest: str, artifact: UUID) -> ModelVersionResponse:
    """The ZenML version of the same number, made and linked where it does not exist."""
    from zenml import log_metadata
    from zenml.client import Client
    from zenml.exceptions import EntityExistsError
    from zenml.model.utils import link_artifact_version_to_model_version

    zenml = Client()
    with suppress(EntityExistsError):
        zenml.create_model(model)
    try:
        version = zenml.create_model_version(model, name=registration.version)
    except EntityExistsError:
        version = zenml.get_model_version(model, registration.version)
    link_artifact_version_to_model_version(zenml.get_artifact_version(artifact), version)
    log_metadata(
        {DIGEST_TAG: digest, "mlflow_run": registration.mlflow_run},
        model_name=model,
        model_version=registration.version,
    )
    return zenml.get_model_version(model, registration.version)
