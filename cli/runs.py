"""Run pipelines for a command: choose the stack, show progress, hand back what the steps returned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.progress import quieten, show_progress
from project.errors import ConfigError
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular.contract import Contract, load_contract
from tabular.training_config import Profile, TrainingConfig

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse


@dataclass(frozen=True, slots=True)
class Session:
    """A stack chosen for this process, and the data set to work on."""

    stack: str
    contract: Contract
    cache: bool


def begin(stack: str | None, dataset: str, cache: bool, debug: bool) -> Session:
    """Read the contract, choose the stack, take over the console.

    Raises:
        ConfigError: No such contract or stack.
        Unreachable: The stack's server does not answer or is another.
    """
    quieten()
    contract = load_contract(dataset)
    click.echo(f"{contract.title}, {f'stack {stack}' if stack else 'the active stack'}", err=True)
    from stacks.selection import use_stack

    chosen = use_stack(stack)
    show_progress(debug)
    return Session(chosen, contract, cache)


def run_training(session: Session, profile: Profile, jobs: int) -> dict[str, Any]:
    """Run the training pipeline; what its steps returned, by step and output name."""
    from pipelines.training import training
    from tabular.bundle import sha256
    from tabular.reading import fingerprint
    from tracking.registry import registry_identity

    contract = session.contract
    config = read_yaml(CONFIGS / "training.yaml", TrainingConfig)
    fingerprints = {name: fingerprint(site.path) for name, site in contract.sites.items()}
    data_sha256 = sha256("".join(f"{name} {value}\n" for name, value in sorted(fingerprints.items())).encode())
    run = training.with_options(enable_cache=None if session.cache else False)(
        contract, config, profile, fingerprints, data_sha256, registry_identity(contract.name), jobs
    )
    return outputs(run)


def run_deployment(session: Session, version: str, port: int | None) -> dict[str, Any]:
    """Run the deployment pipeline on a version of the data set's model."""
    from zenml import Model

    from pipelines.deployment import deployment

    model = Model(name=session.contract.name, version=version)
    return outputs(deployment.with_options(model=model)(version, port))


def run_monitoring(session: Session, version: str, sites: list[str]) -> dict[str, Any]:
    """Run the monitoring pipeline on some sites."""
    from zenml import Model

    from pipelines.monitoring import monitoring
    from tabular.drift import MonitoringConfig
    from tabular.reading import fingerprint

    settings = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig)
    fingerprints = {site: fingerprint(session.contract.sites[site].path) for site in sites}
    model = Model(name=session.contract.name, version=version)
    run = monitoring.with_options(model=model, enable_cache=None if session.cache else False)(
        session.contract, settings.drift, fingerprints
    )
    return outputs(run)


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
    return found.name


def outputs(run: PipelineRunResponse | None) -> dict[str, Any]:
    """Outputs of a finished run: `step.artifact` to a function that loads it, and `run` itself."""
    assert run is not None  # noqa: S101  only a scheduled run has no response
    found: dict[str, Any] = {"run": run}
    for name, step in run.steps.items():
        for artifact, (version, *_) in step.outputs.items():
            found[f"{name}.{artifact}"] = version
    return found


def save_page(artifact: Any, path: Path) -> Path:
    """Write an HTML artifact as a file to open in a browser."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(artifact.load(), encoding="utf-8")
    return path
