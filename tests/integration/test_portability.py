"""Every pipeline, on every data set and profile, compiles on every stack to the same steps, parameters and arrows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from stacks.files import names, read_stack
from tabular.contract import contract_names, load_contract
from tabular.fingerprints import fingerprints_of
from tabular.reading import fingerprint
from tabular.training_config import Profile, TrainingConfig
from tests.integration.test_stacks import SECRETS
from tests.unit.stacks.conftest import VARIABLES

if TYPE_CHECKING:
    from zenml.models import PipelineSnapshotBase

CONFIG = read_yaml(CONFIGS / "training.yaml", TrainingConfig)
VERSION = "v1"
KUBERNETES_SETTINGS = {
    "synchronous",
    "service_account_name",
    "step_pod_service_account_name",
    "pod_settings",
    "orchestrator_pod_settings",
    "max_parallelism",
    "ttl_seconds_after_finished",
    "active_deadline_seconds",
    "job_monitoring_interval",
}
COMPONENTS = ("docker", "orchestrator")


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a stack would be given to run."""

    parameters: dict[str, dict[str, Any]]
    """By step."""
    upstream: dict[str, set[str]]
    outputs: dict[str, set[str]]
    tracked: set[str]
    """Steps that ask for the stack's experiment tracker."""
    caching: dict[str, Any]
    settings: dict[str, Any]
    """Of the pipeline, but for those of the stack's own components."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One ZenML store in which all stacks are registered, cluster or not; forgotten afterwards."""
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration

    before = dict(os.environ)
    home = tmp_path_factory.mktemp("zenml")
    os.environ.update({**VARIABLES, **SECRETS, "ZENML_CONFIG_PATH": str(home)})
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    yield home
    os.environ.clear()
    os.environ.update(before)
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    shutil.rmtree(home)


@pytest.fixture(scope="module", params=names())
def stack(request: pytest.FixtureRequest, store: Path) -> str:
    """Each shipped stack in turn, active in this process."""
    from stacks.selection import use_stack

    return use_stack(str(request.param), server="current")


def training(dataset: str, profile: Profile = "quick") -> PipelineSnapshotBase:
    from pipelines.training import training as pipeline

    contract = load_contract(dataset)
    fingerprints, hashes = fingerprints_of(contract)
    prepared = pipeline.with_options()
    prepared.prepare(contract, CONFIG, profile, fingerprints, hashes, "1:1", 2)
    return prepared._compile()[0]


def deployment(dataset: str) -> PipelineSnapshotBase:
    from zenml import Model

    from deployers.rollout import DeploymentConfig
    from pipelines.deployment import deployment as pipeline

    prepared = pipeline.with_options(model=Model(name=dataset, version=VERSION))
    prepared.prepare(VERSION, read_yaml(CONFIGS / "deployment.yaml", DeploymentConfig).rollout, 8123)
    return prepared._compile()[0]


def monitoring(dataset: str) -> PipelineSnapshotBase:
    from zenml import Model

    from pipelines.monitoring import monitoring as pipeline
    from tabular.drift import MonitoringConfig

    contract = load_contract(dataset)
    settings = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).drift
    fingerprints = {name: fingerprint(site.path) for name, site in contract.sites.items()}
    prepared = pipeline.with_options(model=Model(name=dataset, version=VERSION))
    prepared.prepare(contract, settings, fingerprints)
    return prepared._compile()[0]


def adaptation(dataset: str) -> PipelineSnapshotBase:
    from zenml import Model

    from pipelines.adaptation import adaptation as pipeline
    from tabular.drift import MonitoringConfig

    contract = load_contract(dataset)
    settings = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).adaptation
    fingerprints = {name: fingerprint(site.path) for name, site in contract.sites.items()}
    prepared = pipeline.with_options(model=Model(name=dataset, version=VERSION))
    prepared.prepare(contract, CONFIG.cost, settings, fingerprints)
    return prepared._compile()[0]


def batch_inference(dataset: str) -> PipelineSnapshotBase:
    from zenml import Model

    from pipelines.batch_inference import batch_inference as pipeline
    from tabular.batch import BatchConfig, BatchFiles

    contract = load_contract(dataset)
    settings = read_yaml(CONFIGS / "batch_inference.yaml", BatchConfig).batch
    files = BatchFiles("in.csv", "out.csv", "rejects.csv", contract.reading, (contract.target.column,), ())
    prepared = pipeline.with_options(model=Model(name=dataset, version=VERSION))
    prepared.prepare(files, settings, 3)
    return prepared._compile()[0]


def seen(snapshot: PipelineSnapshotBase) -> Compiled:
    steps = snapshot.step_configurations
    settings = snapshot.pipeline_configuration.model_dump(mode="json")["settings"]
    return Compiled(
        parameters={name: dict(step.config.parameters) for name, step in steps.items()},
        upstream={name: set(step.spec.upstream_steps) for name, step in steps.items()},
        outputs={name: set(step.config.outputs) for name, step in steps.items()},
        tracked={name for name, step in steps.items() if step.config.experiment_tracker},
        caching={name: step.config.cache_policy.model_dump(mode="json") for name, step in steps.items()},
        settings={key: value for key, value in settings.items() if re.split("[.:]", key)[0] not in COMPONENTS},
    )


_first: dict[tuple[str, ...], tuple[str, Compiled]] = {}


def same_on_every_stack(stack: str, found: Compiled, *what: str) -> None:
    """Compare with the stack that was compiled first."""
    other, expected = _first.setdefault(what, (stack, found))
    assert found == expected, f"{what} differs between {other} and {stack}"


@pytest.mark.parametrize("profile", get_args(Profile))
@pytest.mark.parametrize("dataset", contract_names())
def test_training_is_what_the_config_says(stack: str, dataset: str, profile: Profile) -> None:
    found = seen(training(dataset, profile))
    scores = {f"score_{name}" for name, _, _ in CONFIG.taking_part(profile)}
    assert found.upstream == {
        "load_rows": set(),
        "split_rows": {"load_rows"},
        **{name: {"split_rows"} for name in scores},
        "package_model": {"split_rows", *scores},
        "judge_challenger": {"split_rows", "package_model"},
    }
    assert scores == {name for name in found.parameters if name.startswith("score_")}
    for name, candidate, space in CONFIG.taking_part(profile):
        parameters = found.parameters[f"score_{name}"]
        assert parameters["name"] == name
        assert parameters["candidate"] == candidate.model_dump(mode="json")
        assert parameters["space"] == space
        assert parameters["validation"] == CONFIG.validation(profile).model_dump(mode="json")
        assert (parameters["metric"], parameters["seed"], parameters["jobs"]) == (
            CONFIG.selection_metric,
            CONFIG.seed,
            2,
        )
    contract = load_contract(dataset).model_dump(mode="json")
    assert all(each["contract"] == contract for each in found.parameters.values())
    assert found.parameters["load_rows"]["fingerprints"].keys() == contract["sites"].keys()
    assert found.parameters["split_rows"]["test_share"] == CONFIG.test_share
    gates = CONFIG.gates.model_dump(mode="json")
    assert found.parameters["judge_challenger"]["gates"] == gates
    assert [name for name, each in found.parameters.items() if str(gates) in str(each)] == ["judge_challenger"]
    assert found.tracked == {"package_model"}
    same_on_every_stack(stack, found, "training", dataset, profile)


@pytest.mark.parametrize("dataset", contract_names())
def test_monitoring_judges_each_site_side_by_side(stack: str, dataset: str) -> None:
    found = seen(monitoring(dataset))
    sites = {f"drift_{site}": site for site in load_contract(dataset).sites}
    assert found.upstream == {name: set() for name in sites}
    assert {name: found.parameters[name]["site"] for name in sites} == sites
    same_on_every_stack(stack, found, "monitoring", dataset)


@pytest.mark.parametrize("dataset", contract_names())
def test_adaptation_fits_each_site_by_itself(stack: str, dataset: str) -> None:
    found = seen(adaptation(dataset))
    sites = {f"adapt_{site}": site for site in load_contract(dataset).sites}
    assert found.upstream == {name: set() for name in sites}
    assert {name: found.parameters[name]["site"] for name in sites} == sites
    assert found.tracked == set(sites)
    same_on_every_stack(stack, found, "adaptation", dataset)


@pytest.mark.parametrize("dataset", contract_names())
@pytest.mark.parametrize(
    ("compiled", "step", "parameters"),
    [
        pytest.param(deployment, "deploy_champion", {"version": VERSION, "port": 8123}, id="deployment"),
        pytest.param(batch_inference, "predict_rows", {"max_rejects": 3}, id="batch_inference"),
    ],
)
def test_a_pipeline_of_one_step(
    stack: str,
    dataset: str,
    compiled: Callable[[str], PipelineSnapshotBase],
    step: str,
    parameters: dict[str, Any],
) -> None:
    found = seen(compiled(dataset))
    assert found.upstream == {step: set()}
    assert found.parameters[step].items() >= parameters.items()
    same_on_every_stack(stack, found, compiled.__name__, dataset)


def test_the_orchestrator_s_settings_come_from_the_stack_s_file(stack: str) -> None:
    settings = training("heart_disease").pipeline_configuration.model_dump(mode="json")["settings"]
    orchestrator = read_stack(stack).component("orchestrator")
    assert orchestrator is not None
    found = settings.get(f"orchestrator:{stack}", {})
    assert found == {key: value for key, value in orchestrator.configuration.items() if key in found}
    assert set(found) == {key for key in orchestrator.configuration if key in KUBERNETES_SETTINGS}


def test_no_pipeline_is_left_out() -> None:
    shipped = {path.stem for path in (CONFIGS.parent / "pipelines").glob("[!_]*.py")}
    assert shipped == {each.__name__ for each in (training, deployment, monitoring, adaptation, batch_inference)}
