"""No change of code, config or lock makes the model worse than its floors on the frozen held-out rows."""

from __future__ import annotations

from tabular.metrics import rounded
from tabular.training_config import LOSSES
from tests.model.conftest import Floors, Trained


def test_the_held_out_rows_are_the_frozen_ones(model: Trained, floors: Floors) -> None:
    """Other rows make the floors mean something else: set both anew, together."""
    assert model.test_rows_sha256 == floors.test_rows_sha256


def test_no_figure_is_below_its_floor(model: Trained, floors: Floors) -> None:
    figures = model.bundle.json("metrics.json")["test"]["metrics"]
    assert "roc_auc" in floors.metrics
    for metric, floor in floors.metrics.items():
        assert figures[metric] <= floor if metric in LOSSES else figures[metric] >= floor, metric


def test_no_segment_is_below_its_floor(model: Trained, floors: Floors) -> None:
    segments = model.bundle.json("metrics.json")["segments"]
    found = {name: part.get("metrics", {}).get("roc_auc") for name, part in segments.items()}
    large = {name: auc for name, auc in found.items() if auc is not None}
    assert large.keys() == floors.segment_roc_auc.keys()
    assert {name for name, auc in large.items() if auc < floors.segment_roc_auc[name]} == set()


def test_the_floors_are_near_enough_to_be_met_by_nothing_worse(model: Trained, floors: Floors) -> None:
    """Each lies between the lower end of the figure's interval and the figure: a floor far below would hold nothing."""
    test = model.bundle.json("metrics.json")["test"]
    for metric, floor in floors.metrics.items():
        low, high = test["intervals"][metric]
        assert rounded(low) <= floor <= rounded(high), metric


def test_prediction_sets_hold_the_true_class_as_often_as_promised(model: Trained, floors: Floors) -> None:
    found = model.bundle.json("metrics.json")["test"]["conformal"]
    assert found["0.90"]["coverage"] >= floors.coverage
    assert found["0.80"]["classes"] <= found["0.90"]["classes"] <= found["0.95"]["classes"]
    for level, figures in found.items():
        assert figures["high"] >= float(level), f"{level}: the promise lies outside the interval of what was measured"


def test_each_segment_has_its_size_and_an_interval_for_each_figure(model: Trained) -> None:
    segments = model.bundle.json("metrics.json")["segments"]
    assert {name.partition(": ")[0] for name in segments} == set(model.contract.segments)
    for part in segments.values():
        assert 0 < part["rows"] <= len(model.test)
        assert part.get("intervals", {}).keys() == part.get("metrics", {}).keys()
