import math
import subprocess
import sys

import pytest

from deployers import Mode, TrafficPlan
from project.errors import ConfigError
from project.paths import ROOT


def test_replace_gives_one_version_everything() -> None:
    assert TrafficPlan.replace("4").as_json() == {"mode": "replace", "weights": {"4": 100.0}}


def test_thirds_sum_to_100() -> None:
    plan = TrafficPlan(Mode.AB, dict.fromkeys("123", 100 / 3))
    assert plan.weights == dict.fromkeys("123", 100 / 3)


@pytest.mark.parametrize(
    ("mode", "weights", "cause"),
    [
        pytest.param(Mode.CANARY, {"1": 90, "2": 20}, "the weights sum to 110, they must sum to 100", id="too much"),
        pytest.param(Mode.CANARY, {}, "the weights sum to 0, they must sum to 100", id="none"),
        pytest.param(Mode.CANARY, {"1": 110, "2": -10}, "the weight of version 2 is -10", id="negative"),
        pytest.param(Mode.CANARY, {"1": math.nan}, "the weight of version 1 is nan", id="not a number"),
        pytest.param(Mode.REPLACE, {"1": 50, "2": 50}, "'replace' names one version, not 1, 2", id="two replace"),
    ],
)
def test_refused(mode: Mode, weights: dict[str, float], cause: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrafficPlan(mode, weights)
    assert cause in caught.value.cause


def test_the_commands_import_nothing_heavy() -> None:
    """`status`, `endpoint`, `rollback` and `down` must answer at once."""
    heavy = "{'zenml', 'mlflow', 'pandas', 'sklearn', 'onnxruntime', 'numpy', 'pydantic', 'yaml', 'asyncio'}"
    code = f"import sys, deployers, deployers.local; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
