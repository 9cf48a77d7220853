"""What the contract knows holds on rows the model never saw, at every site; and what must not matter does not."""

from __future__ import annotations

import numpy as np

from tabular.behaviour import observe
from tabular.export import predict
from tabular.tensors import to_tensor
from tests.model.conftest import Trained


def test_directions_invariances_and_cases_hold_on_unseen_rows(model: Trained) -> None:
    for site, rows in {"held out": model.test, **model.external}.items():
        seen = observe(model.contract, lambda features: predict(model.onnx, features), rows, model.threshold)
        behaviour = model.contract.behaviour
        assert len(seen) == len(behaviour.directions) + len(behaviour.invariances) + len(behaviour.cases)
        failed = {each.reason for each in seen if not each.passed}
        # A field that another site does not measure can not be moved there.
        unmoved = {reason for reason in failed if site in model.external and "no row can make this move" in reason}
        assert failed == unmoved, site


def test_each_row_s_answer_is_its_own(model: Trained) -> None:
    """Neither the order of the rows nor their company changes a probability."""
    features = to_tensor(model.contract, model.test)
    together = predict(model.onnx, features)
    np.testing.assert_allclose(predict(model.onnx, features[::-1].copy())[::-1], together, atol=1e-7)
    alone = np.vstack([predict(model.onnx, features[[row]]) for row in range(len(features))])
    np.testing.assert_allclose(alone, together, atol=1e-7)


def test_any_field_that_may_be_missing_may(model: Trained) -> None:
    features = to_tensor(model.contract, model.test)
    base = predict(model.onnx, features)
    for column, (name, feature) in enumerate(model.contract.features.items()):
        if feature.nullable:
            without = features.copy()
            without[:, column] = np.nan
            p = predict(model.onnx, without)
            assert np.isfinite(p).all(), name
            np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
            assert np.abs(p - base).mean() < 0.2, f"{name}: the answer without it is another model's"
