"""The peer: what a first ZenML pipeline with MLflow's autolog and an Evidently report looks like, and nothing more.

Three steps on the same data: no gates, no checks, no export, no server. Run by `benchmarks/journey.py`.
"""

from typing import Annotated, Any

import mlflow
import pandas as pd
from evidently import Dataset, Report
from evidently.presets import DataDriftPreset
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from zenml import pipeline, step
from zenml.client import Client

COLUMNS = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split()
FOLDER = "data/raw/heart_disease"
STACK = "naive"


def _read(site: str) -> pd.DataFrame:
    return pd.read_csv(f"{FOLDER}/processed.{site}.data", names=COLUMNS, na_values="?").astype(float)


@step(enable_cache=False)
def load() -> tuple[Annotated[pd.DataFrame, "train"], Annotated[pd.DataFrame, "other"]]:
    """Read two hospitals."""
    return _read("cleveland"), _read("hungarian")


@step(enable_cache=False, experiment_tracker=STACK)
def train(rows: pd.DataFrame) -> Any:
    """Fit a forest under autolog."""
    mlflow.sklearn.autolog()
    features, target = rows[COLUMNS[:-1]], rows["num"] > 0
    model = make_pipeline(SimpleImputer(), RandomForestClassifier(n_estimators=60, random_state=7))
    learn, held_out, truth, held_truth = train_test_split(features, target, random_state=7)
    model.fit(learn, truth)
    model.score(held_out, held_truth)
    return model


@step(enable_cache=False)
def drift(rows: pd.DataFrame, other: pd.DataFrame, model: Any) -> str:
    """Compare two hospitals with the default report."""
    snapshot = Report([DataDriftPreset()]).run(Dataset.from_pandas(other), Dataset.from_pandas(rows))
    return str(snapshot.get_html_str(as_iframe=False))


@pipeline
def naive() -> None:
    """Load, train, compare."""
    rows, other = load()
    drift(rows, other, train(rows))


def _stack() -> None:
    client = Client()
    if STACK in [stack.name for stack in client.list_stacks().items]:
        client.activate_stack(STACK)
        return
    from zenml.enums import StackComponentType as Kind

    client.create_stack_component(STACK, "mlflow", Kind.EXPERIMENT_TRACKER, {"tracking_uri": "sqlite:///naive.db"})
    parts = {Kind.ORCHESTRATOR: "default", Kind.ARTIFACT_STORE: "default", Kind.EXPERIMENT_TRACKER: STACK}
    client.create_stack(STACK, parts)
    client.activate_stack(STACK)


if __name__ == "__main__":
    _stack()
    naive()
