"""What a missing field costs is what the model itself loses on the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabular.ablation import ALL, RESAMPLES, ablation
from tabular.export import predict
from tabular.metrics import roc_auc, rounded, row_log_loss
from tabular.packaging import Packaged
from tabular.tensors import to_classes, to_tensor
from tests.unit.tabular.conftest import Data, peak_memory


def test_it_is_the_loss_without_the_field(heart: Data, heart_packaged: Packaged) -> None:
    onnx = heart_packaged.bundle.content["model.onnx"]
    found = ablation(heart.contract, onnx, heart.test, 7)
    features, truth = to_tensor(heart.contract, heart.test), to_classes(heart.contract, heart.test)
    without = features.copy()
    without[:, list(heart.contract.features).index("thal")] = np.nan
    before, after = predict(onnx, features), predict(onnx, without)
    rise = row_log_loss(truth, after).mean() - row_log_loss(truth, before).mean()
    assert found["thal"]["log_loss"] == pytest.approx(rise, abs=1e-6)
    assert found["thal"]["roc_auc"] == pytest.approx(roc_auc(truth, after) - roc_auc(truth, before), abs=1e-6)
    assert rise > 0


def test_fields_come_by_their_cost_and_all_together_last(heart: Data, heart_packaged: Packaged) -> None:
    found = ablation(heart.contract, heart_packaged.bundle.content["model.onnx"], heart.test, 7)
    costs = [cost["log_loss"] for name, cost in found.items() if name != ALL]
    assert costs == sorted(costs, reverse=True)
    assert list(found)[-1] == ALL
    assert set(found) == {name for name, feature in heart.contract.features.items() if feature.nullable} | {ALL}
    assert all(cost["interval"][0] <= cost["log_loss"] <= cost["interval"][1] for cost in found.values())
    assert found[ALL]["log_loss"] == max(cost["log_loss"] for cost in found.values())


def test_intervals_are_those_of_resamples_drawn_at_once(heart: Data, heart_packaged: Packaged) -> None:
    onnx = heart_packaged.bundle.content["model.onnx"]
    features, truth = to_tensor(heart.contract, heart.test), to_classes(heart.contract, heart.test)
    drawn = np.random.default_rng(7).integers(len(truth), size=(RESAMPLES, len(truth)))
    for name, cost in ablation(heart.contract, onnx, heart.test, 7).items():
        optional = [feature.nullable and name in (each, ALL) for each, feature in heart.contract.features.items()]
        without = features.copy()
        without[:, optional] = np.nan
        rises = row_log_loss(truth, predict(onnx, without)) - row_log_loss(truth, predict(onnx, features))
        assert cost["interval"] == [rounded(v) for v in np.quantile(rises[drawn].mean(axis=1), (0.025, 0.975))]


def test_many_rows_are_measured_in_little_memory(heart: Data, heart_packaged: Packaged) -> None:
    """All resamples at once would take 320 MB: a position and a value for each of 1000 times 20,000 rows."""
    rows = heart.test.sample(20_000, replace=True, random_state=0, ignore_index=True)
    onnx = heart_packaged.bundle.content["model.onnx"]
    assert peak_memory(lambda: ablation(heart.contract, onnx, rows, 7)) < 100_000_000


def test_a_field_that_is_missing_already_costs_nothing(heart: Data, heart_packaged: Packaged) -> None:
    rows = heart.test.assign(ca=pd.Series([pd.NA] * len(heart.test), dtype="Int64", index=heart.test.index))
    found = ablation(heart.contract, heart_packaged.bundle.content["model.onnx"], rows, 7)
    assert found["ca"] == {"log_loss": 0.0, "interval": [0.0, 0.0], "roc_auc": 0.0}


def test_rows_of_one_class_have_no_auc(heart: Data, heart_packaged: Packaged) -> None:
    rows = heart.test[to_classes(heart.contract, heart.test) == 0]
    found = ablation(heart.contract, heart_packaged.bundle.content["model.onnx"], rows, 7)
    assert {cost["roc_auc"] for cost in found.values()} == {None}
