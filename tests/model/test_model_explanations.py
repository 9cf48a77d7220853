"""What the model looks at on the whole and what `/explain` says of single rows tell one story."""

from __future__ import annotations

import numpy as np
import pytest

from serving.shapley import Explainer
from tabular.export import predict
from tabular.tensors import to_tensor
from tests.model.conftest import Trained

ROWS, TOP, SECONDS = 12, 3, 60.0


@pytest.mark.slow
def test_contributions_add_up_and_rank_the_features_as_the_importance_does(model: Trained) -> None:
    """Permutation importance is of the loss, a contribution of the probability: their heads agree."""
    background = np.array(model.bundle.json("serving.json")["background"], dtype=np.float32)
    explainer = Explainer(lambda rows: predict(model.onnx, rows).astype(np.float32), background)
    rows = to_tensor(model.contract, model.test)[:ROWS]
    column = len(model.contract.target.labels) - 1
    found = [explainer.explain(row, column, SECONDS) for row in rows]
    for each, probability in zip(found, predict(model.onnx, rows)[:, column], strict=True):
        assert each.exact
        assert each.baseline + each.values.sum() == pytest.approx(probability, abs=1e-5)
    names = list(model.contract.features)
    moved = np.abs([each.values for each in found]).mean(axis=0)
    head = {names[index] for index in np.argsort(-moved)[:TOP]}
    importance = model.bundle.json("metrics.json")["importance"]  # by name: JSON sorts its keys
    important = sorted(importance, key=lambda name: -importance[name])
    assert len(head & set(important[: TOP + 1])) >= TOP - 1
