"""Where a version comes from: data, code, run, candidate, gates, registry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from project.errors import ConfigError
from project.strict_yaml import did_you_mean
from tracking.names import Artifact
from tracking.versions import JUDGED_TAG, bundle_of

if TYPE_CHECKING:
    from zenml.models import ModelVersionResponse

    from tabular.bundle import Bundle

PAGE = 100


@dataclass(frozen=True, slots=True)
class Lineage:
    """A version of a model and all that went into it."""

    model: str
    version: str
    stage: str
    """ZenML's stage of the version: `production` for the champion."""
    digest: str
    created: str
    commit: str
    data_sha256: str
    data_md5: str
    """What `dvc.lock` of that commit says of the data's folder; empty for a bundle older than this."""
    files: dict[str, str]
    """Site to the sha256 of its file, as the training run read it."""
    candidate: str
    parameters: dict[str, Any]
    gates: list[str]
    """What each said when the version was promoted; empty where no run that is known judged it to the end."""
    libraries: dict[str, str]
    zenml_run: str
    mlflow_run: str


def lineage(model: str, version: str) -> Lineage:
    """Follow a version back to its run, code and data.

    Raises:
        ConfigError: The model has no such version on this stack.
        Refused: Its bundle is missing or damaged.
    """
    from zenml.client import Client

    client, found = Client(), _version(model, version)
    bundle = bundle_of(found)
    metrics = bundle.json("metrics.json")
    made_by = bundle.provenance["zenml_run"]
    try:
        run = client.get_pipeline_run(made_by)
        name, parameters = str(run.name), run.config.parameters or {}
    except KeyError:  # somebody deleted it; the bundle knows the rest
        name, parameters = made_by, {}
    return Lineage(
        model=model,
        version=str(found.name),
        stage=found.stage or "",
        digest=bundle.digest,
        created=bundle.provenance["created"],
        commit=bundle.provenance["commit"],
        data_sha256=bundle.data_sha256,
        data_md5=bundle.provenance.get("data_md5", ""),
        files=dict(parameters.get("fingerprints", {})),
        candidate=metrics["candidate"],
        parameters=metrics["parameters"],
        gates=verdicts_of(str(found.run_metadata.get(JUDGED_TAG, made_by))),  # older versions: the run that made it
        libraries=dict(bundle.libraries),
        zenml_run=name,
        mlflow_run=str(found.run_metadata["mlflow_run"]),
    )


def bundle_of_version(model: str, version: str) -> Bundle:
    """The bundle of a version.

    Raises:
        ConfigError: The model has no such version on this stack.
        Refused: Its bundle is missing or damaged.
    """
    return bundle_of(_version(model, version))


def verdicts_of(run: str) -> list[str]:
    """What the gates said in a run, one line each; nothing where it is deleted or was stopped before it had judged."""
    from zenml.client import Client

    try:
        (judged,) = Client().get_pipeline_run(run).steps["judge_challenger"].outputs[Artifact.VERDICTS]
    except KeyError:
        return []
    return [f"{'pass' if each.passed else 'FAIL'}  {each.gate}: {each.reason}" for each in judged.load().items]


def _version(model: str, version: str) -> ModelVersionResponse:
    from zenml.client import Client

    try:
        return Client().get_model_version(model, version)
    except KeyError:
        raise ConfigError(_unknown(model, version), "python run.py status") from None


def _unknown(model: str, version: str) -> str:
    from zenml.client import Client

    versions: list[ModelVersionResponse] = list(Client().list_model_versions(model=model, size=PAGE).items)
    names = sorted((str(each.name) for each in versions), key=lambda name: int(name[1:]))
    if not names:
        return f"{model} has no versions on this stack"
    return f"{model} has no version {version!r}{did_you_mean(version, names)}"
