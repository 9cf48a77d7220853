"""What MLflow is told, in a store of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.packaging import package
from tabular.scoring import Scored, score_candidate
from tabular.tensors import to_classes, to_tensor
from tabular.training_config import Candidate, Space, Validation
from tracking.mlflow_log import active_run, log_challenger
from tracking.registration import Registration

CONTRACT = Contract.model_validate(
    {
        "name": "flowers",
        "title": "Flowers",
        "source": {"page": "none", "licence": "CC0", "citation": "none"},
        "target": {"column": "kind", "classes": [{"label": k, "values": [k]} for k in ("daisy", "rose", "tulip")]},
        "features": {
            "petal width (cm)": {"type": "number"},
            "wild": {"type": "boolean"},
            "colour/hue": {"type": "category", "values": ["red", "white"]},
        },
        "sites": {"garden": {"role": "train", "path": "garden.csv"}},
    }
)


def garden(rows: int = 90) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    kinds = np.arange(rows) % 3
    return pd.DataFrame(
        {
            "petal width (cm)": np.where(np.arange(rows) % 9 == 0, np.nan, kinds + draw.normal(0, 0.5, rows)),
            "wild": pd.array(kinds > 1, dtype="boolean"),
            "colour/hue": pd.array(draw.choice(["red", "white"], rows), dtype="string"),
            "kind": pd.array(np.array(["daisy", "rose", "tulip"])[kinds], dtype="string"),
        }
    )


@pytest.fixture(scope="module")
def scored() -> Scored:
    rows, spaces = garden(), Space(quick={"C": [1.0]}, full={"C": [1.0]})
    candidate = Candidate(family="logistic", complexity=1, search=spaces)
    return score_candidate(
        CONTRACT, to_tensor(CONTRACT, rows), to_classes(CONTRACT, rows), "plain", candidate, {"C": [1.0]},
        Validation(folds=3, repeats=1), "log_loss", 1,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Any:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("flowers", artifact_location=(tmp_path / "mlruns").as_uri())
    mlflow.set_experiment("flowers")
    yield mlflow.MlflowClient()
    mlflow.end_run()


def test_no_metric_is_asked_for_again(store: Any, scored: Scored, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server each such request takes a quarter of a second, and there are seventy metrics."""
    rows, choice = garden(), Choice(scored, None, [scored])
    packed = package(CONTRACT, choice, rows, rows, {}, "d" * 64, 1)
    asked: list[str] = []

    def ask(_: mlflow.MlflowClient, run_id: str, key: str) -> list[object]:
        asked.append(key)
        return []

    monkeypatch.setattr(mlflow.MlflowClient, "get_metric_history", ask)
    with mlflow.start_run():
        log_challenger(active_run(), CONTRACT, packed.with_provenance({}), packed, choice, rows)
    assert asked == []


def test_a_challenger_of_columns_with_any_name(store: Any, scored: Scored) -> None:
    """Brackets and slashes are no part of a metric's name to MLflow; twice the same challenger is two versions."""
    rows, choice = garden(), Choice(scored, None, [scored])
    packed = package(CONTRACT, choice, rows, rows, {}, "d" * 64, 1)
    bundle = packed.with_provenance({"commit": "c0ffee"})
    with mlflow.start_run() as run:
        assert active_run().run_id == run.info.run_id
        first = log_challenger(active_run(), CONTRACT, bundle, packed, choice, rows)
    assert first == Registration("1", run.info.run_id, packed.parity_difference)

    logged = store.get_run(run.info.run_id).data
    importance = bundle.json("metrics.json")["importance"]
    assert {name: value for name, value in logged.metrics.items() if name.startswith("importance")} == pytest.approx(
        {
            "importance_petal width _cm_": importance["petal width (cm)"],
            "importance_wild": importance["wild"],
            "importance_colour_hue": importance["colour/hue"],
        }
    )
    assert logged.metrics["test_accuracy"] == bundle.json("metrics.json")["test"]["metrics"]["accuracy"]
    assert logged.params == {"candidate": "plain", "threshold": "None", "C": "1.0"}
    assert (logged.tags["bundle_digest"], logged.tags["commit"]) == (bundle.digest, "c0ffee")
    assert {file.path for file in store.list_artifacts(run.info.run_id)} >= {"bundle", "validation_curves.png"}

    (nested,) = store.search_runs(
        [run.info.experiment_id], filter_string=f"tags.mlflow.parentRunId = '{run.info.run_id}'"
    )
    assert nested.data.metrics["selection_mean"] == scored.mean
    folds = store.get_metric_history(nested.info.run_id, "selection_fold")
    assert [fold.value for fold in folds] == scored.folds

    version = store.get_model_version_by_alias("flowers", "challenger")
    of_model = {each.key: each.value for each in store.get_logged_model(str(version.source).rpartition("/")[2]).metrics}
    assert of_model == logged.metrics
    assert (str(version.version), version.tags["bundle_digest"]) == ("1", bundle.digest)
    model = mlflow.pyfunc.load_model("models:/flowers@challenger")
    tensor = to_tensor(CONTRACT, rows)
    assert model.predict(tensor).tolist() == packed.model.predict(tensor).tolist()

    with mlflow.start_run():
        assert log_challenger(active_run(), CONTRACT, bundle, packed, choice, rows).version == "v2"
