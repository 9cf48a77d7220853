"""A champion is compared where it can be, and what it does not know is said."""

from __future__ import annotations

from tabular import export
from tabular.champion import Champion, champion_on
from tabular.columns import Feature
from tabular.metrics import row_log_loss
from tabular.packaging import Packaged
from tabular.tensors import to_classes, to_tensor
from tests.unit.tabular.conftest import Data


def test_a_champion_of_the_same_columns_is_measured(heart: Data, heart_packaged: Packaged) -> None:
    bundle = heart_packaged.bundle
    found = champion_on(heart.contract, bundle, heart.test)
    p = export.predict(bundle.content["model.onnx"], to_tensor(heart.contract, heart.test))
    assert found is not None
    assert found.loss is not None
    assert found.loss.tolist() == row_log_loss(to_classes(heart.contract, heart.test), p).round(6).tolist()


def test_one_of_other_columns_is_there_but_not_measured(heart: Data, heart_packaged: Packaged) -> None:
    assert champion_on(heart.contract, None, heart.test) is None
    features = {**heart.contract.features, "weight": Feature(type="number")}
    wider = heart.contract.model_copy(update={"features": features})
    assert champion_on(wider, heart_packaged.bundle, heart.test) == Champion(loss=None)
