"""The figures that a bundle's own card leaves out."""

from __future__ import annotations

import pytest

from tabular.further_figures import benefit, brier_skill, further_figures
from tabular.packaging import Packaged
from tests.unit.tabular.conftest import Data


@pytest.mark.parametrize(
    ("shares", "brier", "said"),
    [
        pytest.param([0.5, 0.5], (0.1, 0.05, 0.25), "0.600 (0.000 to 0.800)", id="better than the shares"),
        pytest.param([0.9, 0.1], (0.18, 0.135, 0.27), "-1.000 (-2.000 to -0.500)", id="worse than them"),
        pytest.param([0.25, 0.25, 0.5], (0.0, 0.0, 0.3125), "1.000 (0.000 to 1.000)", id="three classes"),
        pytest.param([1.0, 0.0], (0.1, 0.1, 0.1), "–", id="one class"),
    ],
)
def test_brier_skill(shares: list[float], brier: tuple[float, float, float], said: str) -> None:
    value, low, high = brier
    figures = {
        "shares": dict(zip("abc", shares, strict=False)),
        "metrics": {"brier": value},
        "intervals": {"brier": [low, high]},
    }
    assert brier_skill(figures) == said


def test_sites_then_segments_each_with_its_size(heart: Data, heart_packaged: Packaged) -> None:
    metrics = heart_packaged.bundle.json("metrics.json")
    text = further_figures(heart.contract, metrics)
    lines = [line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| ")][2:]
    assert [line[0].removeprefix("| ") for line in lines] == [
        *("cleveland, held out", "hungarian, never seen", "switzerland, never seen", "va, never seen"),
        *("age: 45 to 55", "age: 55 to 65", "age: 65 and above", "sex: female", "sex: male"),
    ]
    assert [line[1] for line in lines[:4]] == ["61", "294", "123", "200"]
    held = metrics["test"]
    low, high = held["intervals"]["sensitivity"]
    assert f"{held['metrics']['sensitivity']:.3f} ({low:.3f} to {high:.3f})" in text.splitlines()[4]


def test_benefit_by_threshold_at_each_site(heart: Data, heart_packaged: Packaged) -> None:
    metrics = heart_packaged.bundle.json("metrics.json")
    lines = benefit(heart.contract, metrics).splitlines()[2:]
    assert lines[0] == (
        "| acting from | cleveland, held out | hungarian, never seen | switzerland, never seen | va, never seen |"
    )
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| 0.{tenth}" for tenth in range(1, 10)]
    at = metrics["external"]["va"]["decision_curve"][4]
    assert lines[6].endswith(
        f"{at['model']:.3f} ({at['interval'][0]:.3f} to {at['interval'][1]:.3f}); all {at['all']:.3f} |"
    )


def test_three_classes_have_no_threshold_to_act_from(penguins: Data, penguins_packaged: Packaged) -> None:
    metrics = penguins_packaged.bundle.json("metrics.json")
    assert benefit(penguins.contract, metrics) == ""
    assert "sensitivity" not in further_figures(penguins.contract, metrics)
