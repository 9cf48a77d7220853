"""Versions of a model: ZenML's model control plane and MLflow's aliases, kept in step."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from project.errors import ConfigError, Refused
from tabular.bundle import Bundle
from tracking.names import Alias, Artifact, Stage
from tracking.registration import Registration

if TYPE_CHECKING:
    from zenml.models import ModelVersionResponse

DIGEST_TAG, JUDGED_TAG, PROMOTED_TAG = "bundle_digest", "judged_by_run", "promoted"


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
    named = f"{version.model.name} {version.name}"
    retire = f"restore it, or zenml model version update {named} --stage {Stage.FORMER}, then python run.py --no-cache"
    artifact = version.get_artifact(Artifact.BUNDLE)
    if artifact is None:
        raise Refused(f"{named} has no bundle", retire)
    try:
        return cast("Bundle", artifact.load())
    except FileNotFoundError as error:
        raise Refused(f"the bundle of {named} is gone from the artifact store: {error.filename}", retire) from None
    except Refused as error:
        raise Refused(f"the bundle of {named} is damaged: {error.cause}", retire) from None


def promote(model: str, registration: Registration, digest: str, artifact: UUID, run: UUID) -> Promotion:
    """Make a registered version the champion in MLflow and ZenML.

    MLflow first: if the second write fails, the next run finds ZenML's champion behind and repeats both.

    Args:
        model: Registered model, named as the data set.
        registration: The version in MLflow.
        digest: Of its bundle.
        artifact: ZenML's artifact version id of the bundle.
        run: ZenML's id of the run that judged it, which may have taken it from the cache.

    Raises:
        ConfigError: MLflow does not know the version; its database was replaced after the step was cached.
    """
    from mlflow.exceptions import MlflowException

    from tracking.registry import registry

    current = champion(model)
    if current is not None and current.run_metadata.get(DIGEST_TAG) == digest:
        with suppress(MlflowException):  # a database made anew has the same version under a new number
            registry().set_registered_model_alias(model, Alias.CHAMPION, _number(str(current.name)))
            return Promotion(model, str(current.name), digest, changed=False)
    try:
        registry().set_registered_model_alias(model, Alias.CHAMPION, registration.number)
    except MlflowException as error:
        raise ConfigError(
            f"MLflow has no {model} version {registration.version}: {error.message}", "python run.py --no-cache"
        ) from None
    version = _version(model, registration, digest, artifact, run)
    _crown(version)
    return Promotion(model, str(version.name), digest, changed=True)


def follow_rollback(model: str, serving: str, since: str, former: Collection[str]) -> bool:
    """Make the version that a rollback put back the champion again.

    A rollback changes the endpoint alone, so that it takes no second and needs no registry; these follow here.

    Args:
        model: Registered model, named as the data set.
        serving: The version behind its endpoint.
        since: When it was put there, ISO 8601 in UTC.
        former: Versions that served there before.

    Returns:
        Whether the champion changed: it served once, and another was put in its place after it was promoted.
    """
    from zenml.client import Client

    from tracking.registry import registry

    current = champion(model)
    if current is None or current.name not in former or since <= str(current.run_metadata.get(PROMOTED_TAG, "")):
        return False
    registry().set_registered_model_alias(model, Alias.CHAMPION, _number(serving))
    _crown(Client().get_model_version(model, serving))
    return True


def _crown(version: ModelVersionResponse) -> None:
    from zenml import log_metadata
    from zenml.metadata.metadata_types import MetadataType

    metadata: dict[str, MetadataType] = {PROMOTED_TAG: datetime.now(UTC).isoformat(timespec="seconds")}
    log_metadata(metadata=metadata, model_name=version.model.name, model_version=str(version.name))
    version.set_stage(Stage.CHAMPION, force=True)


def _number(version: str) -> str:
    """MLflow's number of a version; see `Registration.version`."""
    return version.removeprefix("v")


def _version(model: str, registration: Registration, digest: str, artifact: UUID, run: UUID) -> ModelVersionResponse:
    """The ZenML version of the same number, made and linked where it does not exist."""
    from zenml import log_metadata
    from zenml.client import Client
    from zenml.exceptions import EntityExistsError
    from zenml.metadata.metadata_types import MetadataType
    from zenml.model.utils import link_artifact_version_to_model_version

    zenml = Client()
    with suppress(EntityExistsError):
        zenml.create_model(model)
    try:
        version = zenml.create_model_version(model, name=registration.version)
    except EntityExistsError:
        version = zenml.get_model_version(model, registration.version)
    link_artifact_version_to_model_version(zenml.get_artifact_version(artifact), version)
    metadata: dict[str, MetadataType] = {
        DIGEST_TAG: digest,
        JUDGED_TAG: str(run),
        "mlflow_run": registration.mlflow_run,
    }
    log_metadata(metadata=metadata, model_name=model, model_version=registration.version)
    return zenml.get_model_version(model, registration.version)
