"""The image of the steps: small, without our code, and what it trains is what a laptop trains, byte for byte."""

from __future__ import annotations

import json

import pytest

from project.determinism import PINNED
from project.paths import ROOT
from tests.docker.conftest import build
from tests.docker.engine import BUILD, BUNDLE, CONTAINED, any_user, docker, inspected

pytestmark = pytest.mark.docker
LIMIT = 900_000_000
"""Bytes. What one with the run's whole lock would have is 1.5 GB."""
BODIES = """
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from steps.data.load_rows import load_rows
from steps.monitoring.check_drift import check_drift
from steps.training.score_candidate import score_candidate
from steps.training.split_rows import split_rows
from tabular.choosing import make_choice
from tabular.contract import load_contract
from tabular.drift import MonitoringConfig
from tabular.fingerprints import fingerprints_of
from tabular.packaging import package
from tabular.sites import rows_of
from tabular.tensors import to_classes
from tabular.training_config import TrainingConfig

contract, config = load_contract("heart_disease"), read_yaml(CONFIGS / "training.yaml", TrainingConfig)
fingerprints, data = fingerprints_of(contract)
rows, summary, page = load_rows.entrypoint(contract, fingerprints)
assert "<html" in page
train, test, external = split_rows.entrypoint(contract, rows, config.test_share, config.seed)
scores = [
    score_candidate.entrypoint(
        contract, train, name, candidate, space, config.validation("quick"), config.selection_metric,
        config.seed,
    )
    for name, candidate, space in config.taking_part("quick")
]
choice = make_choice(scores, to_classes(contract, train), config.selection_metric, config.cost)
sites = {site: rows_of(external, site) for site in contract.external_sites}
packaged = package(contract, choice, train, test, sites, data.sha256, config.seed)
settings = read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).drift
report, page = check_drift.entrypoint(contract, packaged.bundle, "va", fingerprints["va"], settings)
assert report.outcome == "retrain" and "<html" in page
print(packaged.bundle.digest)
"""


@pytest.fixture(scope="module")
def steps_image(base: str) -> str:
    return build("steps")


def test_it_is_small_and_holds_no_code_of_ours(steps_image: str) -> None:
    assert inspected(steps_image)["Size"] <= LIMIT
    assert docker("run", "--rm", *CONTAINED, steps_image, "ls", "-A", "/app") == ""


def test_its_processes_are_pinned_as_those_that_train_here(steps_image: str) -> None:
    said = inspected(steps_image)["Config"]["Env"]
    assert PINNED.items() <= dict(line.split("=", 1) for line in said).items()


def test_any_user_may_unpack_code_where_zenml_does(steps_image: str) -> None:
    unpack = "mkdir /app/code && touch /app/code/run.py && ls /app/code"
    said = docker("run", "--rm", "--cap-drop", "ALL", "--user", any_user(), steps_image, "sh", "-c", unpack)
    assert said == "run.py"


def test_the_bodies_of_the_steps_make_the_reference_bundle_in_it(steps_image: str) -> None:
    """Without a store: what ZenML and MLflow do between the steps is tried on a cluster."""
    tree = ["--volume", f"{ROOT}:/tree:ro", "--workdir", "/tree", "--env", "PYTHONPATH=/tree"]
    tree += ["--env", "ZENML_CUSTOM_SOURCE_ROOT=/tree"]  # where it looks for materializers; else beside the main file
    command = [*CONTAINED, "--user", any_user(), *tree, steps_image, "python", "-c", BODIES]
    digest = docker("run", "--rm", *command, seconds=BUILD).splitlines()[-1]
    assert digest == json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
