"""Log a challenger to MLflow: explicitly, no autolog."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabular.adaptation import Adaptation
from tabular.bundle import Bundle, write_bundle
from tabular.choosing import Choice
from tabular.contract import Contract
from tabular.curves import curves
from tabular.packaging import LIBRARIES, Packaged
from tabular.tensors import to_classes, to_tensor
from tracking.names import Alias
from tracking.registration import Registration

BUNDLE_PATH, CURVES_FILE = "bundle", "validation_curves.png"


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """The MLflow run of a step, so that another process can log to it."""

    tracking_uri: str
    experiment_id: str
    run_id: str


def active_run() -> ActiveRun:
    """The run that ZenML's tracker started for this step."""
    import mlflow

    run = mlflow.active_run()
    assert run is not None  # noqa: S101  the step asked for a tracker
    return ActiveRun(mlflow.get_tracking_uri(), run.info.experiment_id, run.info.run_id)


def log_challenger(
    run: ActiveRun, contract: Contract, bundle: Bundle, packaged: Packaged, choice: Choice, train: pd.DataFrame
) -> Registration:
    """Log figures, curves, data, bundle and model to an MLflow run, and register the model as challenger.

    Args:
        run: Of the step; left open for the step to end.
        contract: Names the registered model.
        bundle: What ships.
        packaged: The fitted model behind it.
        choice: Every candidate becomes a nested run.
        train: Rows it was fitted on: signature, input example and data set.
    """
    import mlflow
    from mlflow.models import infer_signature

    mlflow.set_tracking_uri(run.tracking_uri)
    if mlflow.active_run() is None:
        mlflow.set_experiment(experiment_id=run.experiment_id)  # that of the nested runs
        mlflow.start_run(run.run_id)
    _log_candidates(choice, run)
    mlflow.log_params({"candidate": choice.chosen.name, "threshold": choice.threshold, **choice.chosen.parameters})
    mlflow.set_tags({"bundle_digest": bundle.digest, "data_sha256": bundle.data_sha256, **bundle.provenance})
    _log_data(contract, train, bundle)
    _log_files(contract, bundle, choice, train)
    example = to_tensor(contract, train.head(5))
    logged = mlflow.sklearn.log_model(
        packaged.model,
        name="model",
        serialization_format="skops",
        skops_trusted_types=_own_types(packaged.model),
        signature=infer_signature(example, packaged.model.predict(example)),
        input_example=example,
        pip_requirements=[f"{name}=={installed(name)}" for name in LIBRARIES],
    )
    # After the model: what is in the run before, MLflow asks for again, a request for each metric.
    mlflow.log_metrics(_flat(bundle.json("metrics.json")), model_id=logged.model_id)
    number = _register(contract, bundle, logged.model_uri, logged.model_id, run.run_id)
    return Registration(number, run.run_id, packaged.parity_difference)


def log_adaptation(report: Adaptation) -> None:
    """Log what was found out about a site, and what the gates said, to the run of the step."""
    import mlflow

    mlflow.log_params({"site": report.site, "rows": report.rows, "threshold": report.threshold})
    mlflow.log_metrics({"roc_auc": report.roc_auc, **_named("missing", report.missing)})
    for part, shares in (
        ("share", report.shares), ("share_by_count", report.shares_by_count), ("share_used", report.shares_used),
    ):  # fmt: skip
        mlflow.log_metrics(_named(part, shares))
    mlflow.set_tags({
        "bundle_digest": report.digest,
        "made_from": report.made_from,
        **{f"gate {v.gate}": f"{'pass' if v.passed else 'FAIL'}: {v.reason}" for v in report.verdicts},
    })  # fmt: skip


def _register(contract: Contract, bundle: Bundle, model_uri: str, model_id: str, run_id: str) -> str:
    """A new version of the registered model under the challenger alias; the first one makes the model."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    try:
        client.create_registered_model(contract.name, description=contract.title)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # A server, unlike a database file, takes no source whose model is not named beside it.
    number = str(client.create_model_version(contract.name, model_uri, run_id, model_id=model_id).version)
    client.set_registered_model_alias(contract.name, Alias.CHALLENGER, number)
    client.set_model_version_tag(contract.name, number, "bundle_digest", bundle.digest)
    return number


def _log_candidates(choice: Choice, run: ActiveRun) -> None:
    """A nested run for each candidate, in three requests: on a server each takes longer than what it says is worth."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

    client, now = MlflowClient(), int(time.time() * 1000)
    for score in choice.leaderboard:
        values = {
            **{f"validation_{name}": value for name, value in score.metrics.items()},
            "selection_mean": score.mean,
            "selection_standard_error": score.standard_error,
        }
        metrics = [Metric(name, value, now, 0) for name, value in values.items()]
        metrics += [Metric("selection_fold", value, now, fold) for fold, value in enumerate(score.folds)]
        params = [Param(name, str(value)) for name, value in {"family": score.family, **score.parameters}.items()]
        nested = client.create_run(run.experiment_id, tags={MLFLOW_PARENT_RUN_ID: run.run_id}, run_name=score.name)
        client.log_batch(nested.info.run_id, metrics=metrics, params=params)
        client.set_terminated(nested.info.run_id)


def _log_data(contract: Contract, train: pd.DataFrame, bundle: Bundle) -> None:
    import mlflow
    from mlflow.data.pandas_dataset import from_pandas

    plain = train.astype({name: "Float64" for name, f in contract.features.items() if f.type != "category"})
    data = from_pandas(
        plain.astype({name: "float64" for name, f in contract.features.items() if f.type != "category"}),
        source=contract.sites[contract.training_site].path,
        targets=contract.target.column,
        name=contract.name,
        digest=bundle.data_sha256[:12],
    )
    mlflow.log_input(data, context="training")


def _log_files(contract: Contract, bundle: Bundle, choice: Choice, train: pd.DataFrame) -> None:
    import mlflow

    with tempfile.TemporaryDirectory() as folder:
        write_bundle(bundle, Path(folder, BUNDLE_PATH))
        picture = curves(contract, to_classes(contract, train), np.array(choice.chosen.probabilities))
        Path(folder, CURVES_FILE).write_bytes(picture)
        mlflow.log_artifacts(folder)


def _flat(metrics: Mapping[str, Any]) -> dict[str, float]:
    """`test_roc_auc`, `external_va_roc_auc`, `validation_brier`, `importance_cp`: one number per name.

    What MLflow takes for no name of a metric, such as the brackets of `width (cm)`, becomes an underscore.
    """
    parts: list[tuple[str, Mapping[str, Any]]] = [
        ("validation", metrics["validation"]),
        ("test", metrics["test"]["metrics"]),
        ("importance", metrics["importance"]),
        *((f"external_{site}", figures["metrics"]) for site, figures in metrics["external"].items()),
    ]
    return {name: value for part, values in parts for name, value in _named(part, values).items()}


def _named(part: str, values: Mapping[str, float | None]) -> dict[str, float]:
    return {re.sub(r"[^\w. -]", "_", f"{part}_{name}"): value for name, value in values.items() if value is not None}


def _own_types(model: Any) -> list[str]:
    """Types inside a model that we fitted ourselves, which skops would otherwise refuse to load back."""
    import skops.io

    return list(skops.io.get_untrusted_types(data=skops.io.dumps(model)))
