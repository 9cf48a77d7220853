"""Run pipelines for a command: choose the stack, show progress, hand back what the steps returned."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from cli import unchanged
from cli.progress import quieten, show_progress
from cli.submission import TRIES, outputs, prepared
from project import aside
from project.errors import ConfigError, ProjectError
from project.paths import CONFIGS, ENDPOINTS, ROOT
from project.strict_yaml import read_yaml
from tabular.contract import Contract
from tabular.training_config import Profile, TrainingConfig
from tracking.names import COMMIT, INPUTS, Artifact

if TYPE_CHECKING:
    from deployers.rollout import RolloutSettings
    from tabular.adaptation import AdaptationSettings
    from tabular.batch import BatchFiles, BatchSettings, BatchSummary
    from tabular.drift import DriftSettings

ASIDE = (
    "tabular.check_summary",
    "great_expectations",
    "tracking.mlflow_log",
    "mlflow.sklearn",
    "mlflow.store.tracking.sqlalchemy_store",
    "skops.io",
    "sklearn.calibration",
    "matplotlib.figure",
    "evidently",
)
"""What the steps of a local run import last and longest, in the order of need: the second process does."""
MEANWHILE = ("sklearn.model_selection", "sklearn.ensemble", "sklearn.linear_model", "skl2onnx", "onnxruntime")
"""What the first process needs after the checks, which run in the second."""


@dataclass(frozen=True, slots=True)
class Session:
    """A stack chosen for this process, and the data set to work on."""

    stack: str
    contract: Contract
    config: TrainingConfig
    drift: DriftSettings
    adaptation: AdaptationSettings
    rollout: RolloutSettings
    cache: bool


def begin(
    stack: str | None,
    contract: Contract,
    cache: bool,
    debug: bool,
    imports: Sequence[str] = (),
    meanwhile: Sequence[str] = (),
    sites: Sequence[str] = (),
) -> Session:
    """Read every config, look at the data, choose the stack, take over the console.

    Args:
        stack: The stack to use; None for the active one.
        contract: Of the data set.
        cache: Whether steps may be taken from the cache.
        debug: Whether ZenML's console stays.
        imports: What the second process of a local run imports; without any there is none.
        meanwhile: What this process imports while it first waits for the second one.
        sites: Whose files are looked at now: a step would find the same fault, but after all the imports of a run.

    Raises:
        ConfigError: No such stack, or a config that can not be used; nothing has run yet.
        Unreachable: The stack's server does not answer or is another; or a site's file is missing.
        Refused: A site's file is not what the contract says.
    """
    from deployers.rollout import DeploymentConfig
    from tabular.drift import MonitoringConfig
    from tabular.reading import raw_site

    quieten()
    config = read_yaml(CONFIGS / "training.yaml", TrainingConfig)
    monitoring = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig)
    rollout = read_yaml(CONFIGS / "deployment.yaml", DeploymentConfig).rollout
    click.echo(f"{contract.title}, {f'stack {stack}' if stack else 'the active stack'}", err=True)
    from stacks.selection import runs_here, use_stack

    if imports and stack and runs_here(stack):
        aside.start(imports, meanwhile, quiet=not debug)
    for site in sites:
        raw_site(contract, site)
    chosen = use_stack(stack)
    if imports and runs_here(chosen):
        aside.start(imports, meanwhile, quiet=not debug)
    show_progress(debug)
    session = Session(chosen, contract, config, monitoring.drift, monitoring.adaptation, rollout, cache)
    _follow_rollback(session)
    return session


def _follow_rollback(session: Session) -> None:
    """Make the registries agree with a rollback since the last run, and say so."""
    from deployers import active
    from tracking.versions import follow_rollback as follow

    name = session.contract.name
    try:
        deployer = active()
        if name not in deployer.endpoints():
            return
        endpoint = deployer.status(name).endpoint
    except ProjectError:
        return  # an endpoint that can not be asked is no reason not to train
    former = [version.version for version in endpoint.previous]
    current = endpoint.current
    if endpoint.stack == session.stack and follow(name, current.version, current.deployed_at, former):
        click.echo(f"{name} {current.version} is the champion again, as the rollback said", err=True)


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """Train and deploy a data set on a stack in one process at a time: of two, one could promote what the other serves.

    Raises:
        ProjectError: This folder can not be written.
        Refused: Another process is at it.
    """
    from deployers.local.lock import exclusive

    if not os.access(ROOT, os.W_OK):
        raise ProjectError(f"{ROOT} can not be written: models and reports go there", "work in a folder of your own")
    name = session.contract.name
    with exclusive(ENDPOINTS / f".{session.stack}.{name}.lock", f"train {name}"):
        yield


def run_training(session: Session, profile: Profile, jobs: int) -> dict[str, Any]:
    """Run the training pipeline; what its steps returned, by step and output name.

    Where steps are pods, what a run on the same inputs has returned, as long as the champion is what it promoted.
    """
    from pipelines import training as module
    from tabular.fingerprints import fingerprints_of
    from tracking.provenance import commit
    from tracking.registry import registry_identity

    contract = session.contract
    fingerprints, hashes = fingerprints_of(contract)
    # Without a name ZenML logs to an experiment of the pipeline's, whose artifacts go to the folder we were typed in.
    settings = {"experiment_tracker": {"experiment_name": contract.name}}
    values = (contract, session.config, profile, fingerprints, hashes, registry_identity(contract.name))
    inputs = unchanged.identity(module.__file__, *values)
    former = unchanged.same_run("training", inputs) if session.cache else None
    if former and (found := unchanged.same_champion(contract.name, outputs(former))):
        unchanged.said_again(former)
        return found
    extra = {COMMIT: commit(), INPUTS: inputs}  # asked here: where a step runs there may be no git
    caching = None if session.cache else False
    run = prepared(module.training, TRIES, settings=settings, extra=extra, enable_cache=caching)(*values, jobs)
    return outputs(run)


def run_deployment(
    session: Session, version: str, port: int | None, rollout: RolloutSettings | None = None
) -> dict[str, Any]:
    """Run the deployment pipeline on a version of the data set's model, as the config says or as `rollout` does."""
    from zenml import Model

    from deployers.flavors import active_component
    from deployers.remembered import Place, remember
    from pipelines.deployment import deployment

    model, rollout = session.contract.name, rollout or session.rollout
    found = unchanged.serves_already(model, version, rollout) if session.cache else None
    if found is None:
        found = outputs(prepared(deployment, model=Model(name=model, version=version))(version, rollout, port))
    remember(Place(*active_component()))
    return found


def run_monitoring(session: Session, version: str, sites: list[str]) -> dict[str, Any]:
    """Run the monitoring pipeline on some sites."""
    from zenml import Model

    from pipelines import monitoring as module
    from tabular.reading import fingerprint

    fingerprints = {site: fingerprint(session.contract.sites[site].path) for site in sites}
    values = (session.contract, session.drift, fingerprints)
    inputs = unchanged.identity(module.__file__, *values, version)
    if session.cache and (former := unchanged.same_run("monitoring", inputs)):
        return outputs(unchanged.said_again(former))
    model = Model(name=session.contract.name, version=version)
    caching = None if session.cache else False
    run = prepared(module.monitoring, TRIES, model=model, extra={INPUTS: inputs}, enable_cache=caching)(*values)
    return outputs(run)


def run_batch_inference(
    session: Session, version: str, files: BatchFiles, settings: BatchSettings, max_rejects: int | None
) -> BatchSummary:
    """Run the batch pipeline with a version of the data set's model."""
    from zenml import Model

    from pipelines.batch_inference import batch_inference

    chosen = prepared(batch_inference, model=Model(name=session.contract.name, version=version))
    run = outputs(chosen(files, settings, max_rejects))
    return cast("BatchSummary", run[f"predict_rows.{Artifact.BATCH_SUMMARY}"].load())


def champion_version(session: Session) -> str:
    """The champion's version.

    Raises:
        ConfigError: Nothing was promoted yet on this stack.
    """
    from tracking.versions import champion

    found = champion(session.contract.name)
    if found is None:
        raise ConfigError(
            f"{session.contract.name} has no champion on stack {session.stack}",
            f"python run.py train --stack {session.stack} --dataset {session.contract.name}",
        )
    return str(found.name)
