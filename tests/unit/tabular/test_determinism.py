"""The promise of the bundle digest: another process, another hash seed, another number of threads, the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from project.determinism import PINNED
from project.paths import ROOT

SCRIPT = """
import sys
from dataclasses import replace
from tests.unit.tabular.conftest import load, score
from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular.choosing import make_choice
from tabular.packaging import package
from tabular.training_config import TrainingConfig

jobs = int(sys.argv[1])
config, data = read_yaml(CONFIGS / "training.yaml", TrainingConfig), load("heart_disease")
tried = [
    score(data, config, "logistic", {"C": 0.3}, jobs=jobs),
    score(data, config, "gradient_boosting", {"n_estimators": 20, "max_depth": 2}, jobs=jobs),
]
choice = make_choice(tried, data.truth, config.selection_metric, config.cost)
for chosen in tried:
    made = replace(choice, chosen=chosen)
    packed = package(data.contract, made, data.train, data.test, data.external, "0" * 64, 7)
    print(choice.chosen.name, choice.threshold, chosen.name, packed.bundle.digest)
"""


@pytest.mark.slow
def test_two_processes_package_the_same_bytes() -> None:
    """A linear model and trees, on the real data; under these two seeds a set of two words has two orders."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, jobs],
            cwd=ROOT,
            env={**os.environ, **PINNED, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for jobs, seed in (("1", "1"), ("2", "3"))
    ]
    one, two = (process.communicate()[0].splitlines() for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert len({line.split()[-1] for line in one}) == 2
    assert one == two
