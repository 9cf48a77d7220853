"""What need not run again: where steps are pods, a run costs one even if all its steps come from the cache."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from project.paths import ROOT
from tracking.names import INPUTS, Artifact

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from deployers.rollout import RolloutSettings

LOGGER = logging.getLogger(__name__)
LOOKED_AT = 5
"""Runs of a pipeline, newest first: what was run longer ago is run again, from the cache."""


@dataclass(frozen=True, slots=True)
class Known:
    """An output that is at hand, as an artifact is read."""

    value: Any

    def load(self) -> Any:
        """The output."""
        return self.value


def identity(pipeline_file: str, *values: object) -> str:
    """A hash over all that a run of a pipeline depends on.

    Args:
        pipeline_file: Its module's `__file__`: every module of the project that it stands on counts, and the lock.
        values: What it is called with.
    """
    from steps.caching import LOCK, closure

    digest = sha256(to_json(values))
    for path in sorted({*closure(Path(pipeline_file)), LOCK}):
        digest.update(f"{path} {sha256((ROOT / path).read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def same_run(pipeline: str, inputs: str) -> PipelineRunResponse | None:
    """The newest run that ended well on these inputs, if steps of the active stack run in pods."""
    from zenml.client import Client

    from stacks.images import step_image

    if step_image() is None:
        return None
    runs = Client().list_pipeline_runs(
        pipeline=pipeline, status="completed", sort_by="desc:created", size=LOOKED_AT, hydrate=True
    )
    return next((run for run in runs.items if run.config.extra.get(INPUTS) == inputs), None)


def said_again(run: PipelineRunResponse) -> PipelineRunResponse:
    """Name the steps of an earlier run as those that come from the cache."""
    for name in run.steps:
        LOGGER.info("Using cached version of step %s.", name)
    return run


def same_champion(model: str, outputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a training run returned, if what it promoted is the champion: to promote it again changes nothing."""
    from tracking.versions import DIGEST_TAG, champion

    promotion, current = outputs[f"judge_challenger.{Artifact.PROMOTION}"].load(), champion(model)
    if current is None or (current.name, current.run_metadata.get(DIGEST_TAG)) != (promotion.version, promotion.digest):
        return None
    return {**outputs, f"judge_challenger.{Artifact.PROMOTION}": Known(dataclasses.replace(promotion, changed=False))}


def serves_already(model: str, version: str, rollout: RolloutSettings) -> dict[str, Any] | None:
    """Make sure from here that an endpoint serves a version that it serves, as the deployment's step would.

    Returns:
        What the deployment returns; nothing where it has something to roll out, or its step runs here anyway.
    """
    from zenml.client import Client

    from deployers import active
    from deployers.rollout import roll_out
    from stacks.images import step_image
    from tabular.bundle import write_bundle
    from tracking.versions import bundle_of

    deployer = active()
    if step_image() is None or model not in deployer.endpoints():
        return None
    bundle, endpoint = bundle_of(Client().get_model_version(model, version)), deployer.status(model).endpoint
    if endpoint.plan is not None or (endpoint.current.version, endpoint.current.digest) != (version, bundle.digest):
        return None
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(bundle, Path(folder))
        endpoint = roll_out(deployer, Path(folder), version, rollout)
    LOGGER.info("Using cached version of step deploy_champion.")
    return {f"deploy_champion.{Artifact.ENDPOINT}": Known(endpoint)}
