"""Drift of samples whose distance is known: how far, which way, and what follows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon

from project.paths import CONFIGS
from project.strict_yaml import read_yaml
from tabular.contract import Contract
from tabular.drift import DriftReport, DriftSettings, FeatureDrift, MonitoringConfig, check_drift
from tests.unit.tabular.conftest import Data, make_contract

SETTINGS = DriftSettings(minimum_rows=50, drifted_from=0.1, missing_rise=0.25, watch_from=0.1, retrain_from=0.4)
CONTRACT = make_contract(
    features={
        "age": {"type": "number", "unit": "years"},
        "visits": {"type": "integer"},
        "smoker": {"type": "boolean"},
        "pain": {"type": "category", "values": [{"code": 1, "label": "none"}, {"code": 2, "label": "strong"}]},
    }
)
IMPORTANCE = {"age": 0.5, "visits": 0.3, "smoker": 0.15, "pain": 0.05}

AGAIN = "python run.py monitor --dataset pets --input NEWER_ROWS"


def people(rows: int = 400, seed: int = 0, **columns: Any) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.normal(60, 10, rows),
            "visits": pd.array(draw.integers(0, 20, rows), dtype="Int64"),
            "smoker": pd.array(draw.random(rows) < 0.3, dtype="boolean"),
            "pain": pd.array(draw.choice([1, 2], rows, p=[0.5, 0.5]), dtype="Int64"),
        }
    )
    return frame.assign(**columns)


def check(
    current: pd.DataFrame, reference: pd.DataFrame | None = None, importance: dict[str, float] | None = None
) -> tuple[DriftReport, dict[str, FeatureDrift]]:
    report, _ = check_drift(
        CONTRACT, people() if reference is None else reference, current, importance or IMPORTANCE, "there", SETTINGS
    )
    return report, {feature.feature: feature for feature in report.features}


@pytest.fixture(scope="module")
def shifted() -> tuple[DriftReport, dict[str, FeatureDrift]]:
    """Ages 5 years up, visits as they were, smokers everywhere, a third of the pain not recorded."""
    current = people()
    pain = current["pain"].mask(np.arange(400) % 3 == 0)
    return check(current.assign(age=current["age"] + 5, smoker=pd.array([True] * 400, dtype="boolean"), pain=pain))


def test_a_shift_is_measured_in_standard_deviations(shifted: tuple[DriftReport, dict[str, FeatureDrift]]) -> None:
    """Wasserstein's distance of a sample to itself moved by 5 is 5."""
    _, features = shifted
    assert features["age"].distance == pytest.approx(5 / people()["age"].std(ddof=0), abs=1e-3)
    assert features["visits"].distance == pytest.approx(0)


def test_shares_are_compared_by_jensen_and_shannon(shifted: tuple[DriftReport, dict[str, FeatureDrift]]) -> None:
    _, features = shifted
    smokers = float(people()["smoker"].mean())
    assert features["smoker"].distance == pytest.approx(float(jensenshannon([smokers, 1 - smokers], [1, 0])), abs=1e-3)


def test_what_drifted_and_which_way(shifted: tuple[DriftReport, dict[str, FeatureDrift]]) -> None:
    report, features = shifted
    before, now = people()["age"].median(), people()["age"].median() + 5
    assert {name: (feature.drifted, feature.direction) for name, feature in features.items()} == {
        "age": (True, f"higher: median {before:g} to {now:g} years"),
        "visits": (False, f"same median: median {people()['visits'].median():g} to {people()['visits'].median():g}"),
        "smoker": (True, f"more 'yes': {1 - float(people()['smoker'].mean()):+.0%}"),
        "pain": (True, "missing in 34%, before in 0%"),
    }
    assert (features["pain"].missing_before, features["pain"].missing_now) == (0.0, 0.335)
    assert report.worst == ["age", "smoker", "pain"]


def test_the_verdict_is_the_importance_of_what_drifted(shifted: tuple[DriftReport, dict[str, FeatureDrift]]) -> None:
    report, _ = shifted
    assert (report.site, report.rows, report.outcome, report.drifted_importance) == ("there", 400, "retrain", 0.7)
    assert report.next_command == "python run.py train --dataset pets --full"


@pytest.mark.parametrize(
    ("importance", "outcome", "share", "command"),
    [
        pytest.param({"age": 9, "visits": 91}, "ok", 0.09, "python run.py status", id="just below watch"),
        pytest.param(
            {"age": 1, "visits": 9},
            "watch",
            0.1,
            AGAIN,
            id="on watch",
        ),
        pytest.param(
            {"age": 39, "visits": 61},
            "watch",
            0.39,
            AGAIN,
            id="below retrain",
        ),
        pytest.param(
            {"age": 4, "visits": 6}, "retrain", 0.4, "python run.py train --dataset pets --full", id="retrain"
        ),
        pytest.param({"age": 0}, "watch", 0.25, AGAIN, id="none known"),
    ],
)
def test_how_much_is_too_much(importance: dict[str, float], outcome: str, share: float, command: str) -> None:
    """The age alone drifts."""
    current = people()
    report, _ = check(current.assign(age=current["age"] + 5), importance=importance)
    assert (report.outcome, report.drifted_importance, report.next_command) == (outcome, share, command)


@pytest.mark.parametrize("rows", [60, 400])
def test_another_sample_of_the_same_people_is_no_drift(rows: int) -> None:
    """Below the distance that chance makes, however few the rows."""
    for seed in (1, 2):
        report, features = check(people(rows, seed))
        assert (report.outcome, report.worst) == ("ok", [])
        assert all((f.distance or 0) < max(f.by_chance, SETTINGS.drifted_from) for f in features.values())


def test_fewer_rows_leave_more_to_chance() -> None:
    few, many = (check(people(rows, 1))[1] for rows in (60, 4000))
    for name in CONTRACT.features:
        assert few[name].by_chance > many[name].by_chance
    assert few["age"].by_chance > SETTINGS.drifted_from
    known_from_few = check(people(4000, 1), reference=people(60))[1]
    assert known_from_few["age"].by_chance == pytest.approx(few["age"].by_chance, rel=0.5)
    assert check(people(60, 1))[1] == few


def test_too_few_rows_to_judge() -> None:
    report, page = check_drift(CONTRACT, people(), people(49), IMPORTANCE, "<there>", SETTINGS)
    assert report == DriftReport("<there>", 49, "too few rows", 0.0, [], "collect 50 rows first")
    assert "&lt;there&gt;: 49 rows, at least 50 are needed" in page
    assert check(people(50))[0].outcome != "too few rows"


def test_columns_without_values() -> None:
    empty = pd.array([None] * 400, dtype="Int64")
    _, features = check(people(visits=empty), reference=people(pain=empty))
    assert (features["visits"].distance, features["visits"].drifted) == (None, True)
    assert features["visits"].direction == "missing in 100%, before in 0%"
    assert (features["pain"].distance, features["pain"].drifted) == (None, True)
    assert features["pain"].direction == "missing in 0%, before in 100%"
    _, features = check(people(visits=empty), reference=people(visits=empty))
    assert (features["visits"].distance, features["visits"].drifted) == (None, False)


@pytest.mark.parametrize("every", [2, 1])
def test_a_code_that_the_contract_does_not_know_is_a_category_of_its_own(every: int) -> None:
    """Every second or every one of the pains becomes a 9, in the proportions of before; a missing one stays missing."""
    pain = people()["pain"].mask(np.arange(400) % 10 == 0)
    current = people(pain=pain.mask(pain.notna() & (np.arange(400) // 10 % every == 0), 9))
    _, features = check(current, reference=people(pain=pain))
    shares = [
        counts.reindex([1, 2, 9], fill_value=0) for counts in (pain.value_counts(), current["pain"].value_counts())
    ]
    assert features["pain"].distance == pytest.approx(float(jensenshannon(*shares)), abs=1e-3)
    assert (features["pain"].missing_before, features["pain"].missing_now) == (0.1, 0.1)
    assert features["pain"].drifted
    assert features["pain"].direction == f"more '9': {1 / every:+.0%}"


def test_a_code_that_reads_like_a_label_is_unknown_all_the_same() -> None:
    coat = {"type": "category", "values": [{"code": "s", "label": "short"}, {"code": "l", "label": "long"}]}
    contract = make_contract(features={"coat": coat})
    before, now = (
        pd.DataFrame({"coat": pd.array(codes * 50, dtype="string")}) for codes in (["s", "l"], ["short", "long"])
    )
    report, _ = check_drift(contract, before, now, {"coat": 1.0}, "there", SETTINGS)
    assert report.outcome == "retrain"
    assert report.features[0].distance == pytest.approx(1, abs=0.2)


def test_more_values_than_before_are_no_drift() -> None:
    reference = people()
    reference["visits"] = reference["visits"].mask(np.arange(400) % 2 == 0)
    _, features = check(people(), reference=reference)
    assert (features["visits"].missing_before, features["visits"].missing_now) == (0.5, 0.0)
    assert not features["visits"].drifted


def test_the_most_important_drift_comes_first() -> None:
    current = people()
    current = current.assign(age=current["age"] - 3, visits=current["visits"] + 15)
    report, _ = check(current, importance={"age": 0.2, "visits": 0.2, "smoker": 0.6})
    assert [feature.feature for feature in report.features[:3]] == ["visits", "age", "smoker"]
    assert [feature.direction.split(":")[0] for feature in report.features[:2]] == ["higher", "lower"]
    report, _ = check(current, importance={"age": 0.9, "visits": 0.01, "smoker": 0.09})
    assert [feature.feature for feature in report.features[:2]] == ["age", "visits"]


@pytest.fixture(scope="module")
def settings() -> DriftSettings:
    return read_yaml(CONFIGS / "monitoring.yaml", MonitoringConfig).drift


def test_the_real_hospitals(heart: Data, settings: DriftSettings) -> None:
    """Held-out patients of the training hospital are as the others; Switzerland has no cholesterol at all."""
    contract: Contract = heart.contract
    importance = dict.fromkeys(contract.features, 1.0)
    home, _ = check_drift(contract, heart.train, heart.test, importance, "cleveland", settings)
    assert (home.outcome, home.worst) == ("ok", [])
    away, page = check_drift(contract, heart.train, heart.sites["switzerland"], importance, "switzerland", settings)
    assert away.outcome == "retrain"
    found = {feature.feature: feature for feature in away.features}
    assert (found["chol"].distance, found["chol"].direction) == (None, "missing in 100%, before in 0%")
    assert found["ca"].missing_now > 0.9
    assert found["cp"].direction.startswith("more 'no symptoms': +")
    assert "<html" in page.lower()
