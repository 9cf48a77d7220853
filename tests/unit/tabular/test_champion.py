"""A champion is compared where it can be, and what it does not know is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from tabular import export
from tabular.champion import champion_on
from tabular.columns import Feature
from tabular.metrics import Classes, row_log_loss
from tabular.packaging import Packaged
from tabular.splitting import split_rows
from tabular.tensors import to_classes, to_tensor
from tests.unit.tabular.conftest import Data


def learnt(data: Data, packaged: Packaged, rows: pd.DataFrame) -> Classes:
    """Positions of the rows that the champion learnt from."""
    found = champion_on(data.contract, packaged.bundle, rows)
    assert found is not None
    return np.flatnonzero(found.learnt)


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
    found = champion_on(wider, heart_packaged.bundle, heart.test)
    assert found is not None
    assert found.loss is None


def test_it_learnt_from_its_training_rows_and_no_others(heart: Data, heart_packaged: Packaged) -> None:
    """Rows without a value among them: what is missing in both is the same."""
    assert heart.train.isna().to_numpy().any()
    assert learnt(heart, heart_packaged, heart.test).size == 0
    assert learnt(heart, heart_packaged, heart.train).size == len(heart.train)


def test_a_split_by_another_seed_has_rows_that_it_learnt_from(heart: Data, heart_packaged: Packaged) -> None:
    rows = pd.concat([heart.train.assign(known=True), heart.test.assign(known=False)], ignore_index=True)
    _, test = split_rows(rows, heart.contract.target.column, 0.2, 8)
    assert learnt(heart, heart_packaged, test).tolist() == np.flatnonzero(test["known"]).tolist()
    assert 0.5 < test["known"].mean() < 1


def test_a_row_counts_as_learnt_by_what_a_model_sees_of_it(heart: Data, heart_packaged: Packaged) -> None:
    """An equal row of another patient, however its columns are typed; with another class it is another row."""
    target = heart.contract.target.column
    row = heart.train[heart.train["oldpeak"] == 0].head(1).reset_index(drop=True)
    other = row.assign(**{target: next(label for label in heart.contract.target.labels if label != row[target][0])})
    plain = row.astype({"age": "float32", "ca": "Float64", "fbs": "object", target: "object"})
    older = row.assign(age=row["age"] + 1)
    assert learnt(heart, heart_packaged, pd.concat([row, row], ignore_index=True)).tolist() == [0, 1]
    assert learnt(heart, heart_packaged, plain).tolist() == [0]
    assert learnt(heart, heart_packaged, row.assign(oldpeak=-0.0)).tolist() == [0]
    assert [learnt(heart, heart_packaged, each).size for each in (other, older)] == [0, 0]


def test_the_target_s_column_may_have_had_another_name(heart: Data, heart_packaged: Packaged) -> None:
    target = heart.contract.target.model_copy(update={"column": "diagnosis"})
    renamed = replace(heart, contract=heart.contract.model_copy(update={"target": target}))
    rows = heart.train.rename(columns={heart.contract.target.column: "diagnosis"})
    assert learnt(renamed, heart_packaged, rows).size == len(rows)
