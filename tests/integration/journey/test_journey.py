"""The journey on the real data: what the first and the second run print, store, register and serve."""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest

from tabular.bundle import Bundle, read_bundle
from tabular.contract import load_contract
from tabular.tensors import to_tensor
from tests.integration.conftest import Journey
from tests.integration.project_copy import Done, steps_of_last_run, zenml_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NAME = "heart_disease"
CANDIDATES = {"logistic", "forest", "boosting"}
TRAINING_STEPS = {
    *("load_rows", "split_rows", "package_model", "judge_challenger"),
    *(f"score_{name}" for name in CANDIDATES),
}


@pytest.fixture(scope="module")
def served(journey: Journey) -> Bundle:
    """The bundle behind the endpoint, from the endpoint's own folder, every byte verified."""
    (folder,) = (journey.project.root / ".endpoints" / NAME / "bundles").iterdir()
    return read_bundle(folder)


@pytest.fixture(scope="module")
def mlflow_client(journey: Journey) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{journey.project.root / 'mlflow.db'}")


@pytest.fixture(scope="module")
def parent(mlflow_client: MlflowClient) -> Run:
    """The MLflow run of the champion."""
    version = mlflow_client.get_model_version_by_alias(NAME, "champion")
    return mlflow_client.get_run(str(version.run_id))


@pytest.fixture(scope="module")
def second(journey: Journey) -> Done:
    """The second run of the same project, as text."""
    done = journey.project.run("--stack", "local", "--port", str(journey.project.port))
    assert done.returncode == 0, done.stderr
    return done


# What the first run says


def test_the_data_and_its_checks(journey: Journey) -> None:
    found = {site["site"]: (site["role"], site["rows"], site["violations"]) for site in journey.found["data"]}
    assert found == {
        "cleveland": ("train", 303, []),
        "hungarian": ("external", 294, []),
        "switzerland": ("external", 123, []),
        "va": ("external", 200, []),
    }
    assert all(site["rules"] > 20 for site in journey.found["data"])


def test_the_leaderboard_has_scores_with_spread_and_one_choice(journey: Journey) -> None:
    leaderboard = journey.found["leaderboard"]
    assert {score["candidate"] for score in leaderboard} == CANDIDATES
    assert [score["mean"] for score in leaderboard] == sorted(score["mean"] for score in leaderboard)
    assert all(0.3 < score["mean"] < 0.5 and 0.01 < score["standard_error"] < 0.1 for score in leaderboard)
    assert all(0.85 < score["roc_auc"] < 0.95 for score in leaderboard)
    (chosen,) = [score for score in leaderboard if score["chosen"]]
    assert chosen["mean"] <= leaderboard[0]["mean"] + leaderboard[0]["standard_error"]


def test_every_gate_agreed_and_says_why(journey: Journey) -> None:
    gates = {gate["gate"]: gate for gate in journey.found["gates"]}
    assert list(gates) == [
        *("minimum roc_auc", "minimum log_loss_skill", "not worse than champion", "parity", "behaviour"),
        *("model size", "model nodes"),
    ]
    assert all(gate["passed"] for gate in gates.values())
    assert gates["not worse than champion"]["reason"] == "first model, nothing serves yet"
    assert re.search(r"differs from scikit-learn by \d.*e-0[789], at most 1e-06", gates["parity"]["reason"])


def test_the_first_version_is_promoted_and_deployed(journey: Journey, served: Bundle) -> None:
    promotion, endpoint = journey.found["promotion"], journey.found["endpoint"]
    assert promotion == {"model": NAME, "version": "v1", "digest": served.digest, "changed": True}
    assert (endpoint["url"], endpoint["version"], endpoint["digest"]) == (journey.project.url, "v1", served.digest)


def test_the_prediction_is_the_bundle_s_own_answer(journey: Journey, served: Bundle) -> None:
    example = served.json("serving.json")["example"]
    said = journey.found["prediction"]
    assert journey.found["endpoint"]["example"] == example["row"]
    assert said["probability"] == pytest.approx(example["probabilities"][1], abs=1e-6)
    assert said["label"] == ("disease" if said["probability"] >= journey.found["threshold"] else "no disease")
    assert (said["model"], said["version"]) == (NAME, "v1")


def test_the_endpoint_answers_every_training_row_as_training_did(journey: Journey, served: Bundle) -> None:
    contract = load_contract(NAME)
    reference = pd.read_parquet(io.BytesIO(served.content["reference.parquet"]))
    assert reference[list(contract.features)].isna().any(axis=None)  # missing values take part
    for row in reference.sample(40, random_state=0).to_dict("records"):
        sent = {name: None if pd.isna(row[name]) else row[name] for name in contract.features}
        assert journey.project.ask(sent)["probability"] == pytest.approx(row["probability disease"], abs=2e-6)


def test_the_drift_verdict_of_a_hospital_the_model_never_saw(journey: Journey) -> None:
    (drift,) = journey.found["drift"]
    assert (drift["site"], drift["rows"], drift["outcome"]) == ("hungarian", 294, "retrain")
    assert drift["drifted_importance"] > 0.5
    worst = {feature["feature"]: feature for feature in drift["features"] if feature["feature"] in drift["worst"]}
    assert worst["ca"]["direction"] == "missing in 99%, before in 2%"
    assert drift["next_command"] == f"python run.py train --dataset {NAME} --full"


def test_the_reports_are_there_to_be_opened(journey: Journey) -> None:
    found = journey.found
    pages = {**found["reports"], "drift": found["drift"][0]["report"]}
    texts = {name: (journey.project.root / path).read_text() for name, path in pages.items()}
    assert set(texts) == {"data checks", "model card", "drift"}
    assert all("<html" in text for text in texts.values())
    assert "cleveland" in texts["data checks"]
    assert "Heart disease" in texts["model card"]
    assert "oldpeak" in texts["drift"]


def test_progress_names_every_step_and_no_secret_pickle_or_traceback(journey: Journey) -> None:
    shown = re.findall(r"^  ✓ (\S+) +[\d.]+ s$", journey.done.stderr, re.MULTILINE)
    assert set(shown) == {*TRAINING_STEPS, "deploy_champion", "drift_hungarian"}
    output = (journey.done.stdout + journey.done.stderr).lower()
    assert not re.search(r"traceback|pickle|password|secret|token|warning|deprecat", output)


def test_no_artifact_is_a_pickle(journey: Journey) -> None:
    stores = (journey.project.zenml / "local_stores", journey.project.root / "mlruns")
    files = [path for store in stores for path in store.rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path.name for path in files if path.suffix in (".pkl", ".pickle", ".joblib")] == []
    assert [path.name for path in files if path.read_bytes()[:1] == b"\x80"] == []  # how a binary pickle begins


def test_one_server_is_left_and_it_listens_on_loopback_alone(journey: Journey) -> None:
    processes = journey.project.processes()
    assert {process.cmdline()[2] for process in processes} == {"serving", "serving.worker"}
    listening = {
        connection.laddr
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", journey.project.port)}


def test_nothing_is_left_in_the_temporary_folder(journey: Journey) -> None:
    assert list((journey.project.root.parent / "tmp").iterdir()) == []


# What the first run stores


def test_zenml_s_model_control_plane_has_the_champion(journey: Journey, served: Bundle) -> None:
    with zenml_of(journey.project) as client:
        version = client.get_model_version(NAME, "production")
        bundle = version.get_artifact("bundle")
        assert (version.name, version.run_metadata["bundle_digest"]) == ("v1", served.digest)
        assert bundle is not None
        assert bundle.load().content == served.content
        assert steps_of_last_run(client, "deployment") == {"deploy_champion": "completed"}
        run = client.list_pipeline_runs(pipeline="deployment").items[0]
        assert run.model_version is not None
        assert run.model_version.id == version.id
        assert [stack.name for stack in client.list_stacks(name="local")] == ["local"]


def test_mlflow_has_the_champion_and_its_bundle(served: Bundle, mlflow_client: MlflowClient) -> None:
    version = mlflow_client.get_model_version_by_alias(NAME, "champion")
    assert (str(version.version), version.tags["bundle_digest"]) == ("1", served.digest)
    assert mlflow_client.get_model_version_by_alias(NAME, "challenger").tags == version.tags  # it may be made anew
    card = mlflow_client.download_artifacts(str(version.run_id), "bundle/manifest.json")
    assert json.loads(Path(card).read_text())["digest"] == served.digest


def test_mlflow_s_model_predicts_what_the_endpoint_serves(journey: Journey, served: Bundle) -> None:
    import mlflow

    contract = load_contract(NAME)
    mlflow.set_tracking_uri(f"sqlite:///{journey.project.root}/mlflow.db")
    uri = f"models:/{NAME}@champion"
    info = mlflow.models.get_model_info(uri)
    assert info.signature is not None
    assert [column["type"] for column in info.signature.inputs.to_dict()] == ["tensor"]
    assert info.saved_input_example_info is not None
    reference = pd.read_parquet(io.BytesIO(served.content["reference.parquet"]))
    predicted = mlflow.sklearn.load_model(uri).predict_proba(to_tensor(contract, reference))[:, 1]
    assert predicted == pytest.approx(reference["probability disease"], abs=2e-6)


def test_mlflow_has_parameters_metrics_curves_and_the_data(
    journey: Journey, served: Bundle, parent: Run, mlflow_client: MlflowClient
) -> None:
    (chosen,) = [score for score in journey.found["leaderboard"] if score["chosen"]]
    assert parent.data.params["candidate"] == chosen["candidate"]
    assert float(parent.data.params["threshold"]) == journey.found["threshold"]
    metrics = parent.data.metrics
    assert metrics["test_roc_auc"] == pytest.approx(journey.found["test"]["metrics"]["roc_auc"])
    assert {f"external_{site}_roc_auc" for site in ("hungarian", "switzerland", "va")} <= set(metrics)
    importance = served.json("metrics.json")["importance"]
    assert {name: metrics[f"importance_{name}"] for name in importance} == pytest.approx(importance)
    assert parent.data.tags["bundle_digest"] == served.digest
    assert parent.inputs is not None
    (lineage,) = parent.inputs.dataset_inputs
    assert (lineage.dataset.name, lineage.dataset.digest) == (NAME, served.data_sha256[:12])
    assert "processed.cleveland.data" in lineage.dataset.source
    files = {file.path for file in mlflow_client.list_artifacts(parent.info.run_id)}
    assert files == {"bundle", "validation_curves.png"}


def test_mlflow_has_one_nested_run_per_candidate(journey: Journey, parent: Run, mlflow_client: MlflowClient) -> None:
    nested = mlflow_client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    assert {run.info.run_name: run.data.metrics["selection_mean"] for run in nested} == pytest.approx(
        {score["candidate"]: score["mean"] for score in journey.found["leaderboard"]}
    )
    for run in nested:
        folds = mlflow_client.get_metric_history(run.info.run_id, "selection_fold")
        assert [fold.step for fold in folds] == list(range(10))  # 5 folds, twice
        assert sum(fold.value for fold in folds) / 10 == pytest.approx(run.data.metrics["selection_mean"], abs=1e-6)


# What the second run says


def test_the_second_run_reuses_what_did_not_change(journey: Journey, second: Done) -> None:
    with zenml_of(journey.project) as client:
        training, monitoring = (steps_of_last_run(client, name) for name in ("training", "monitoring"))
    assert set(training) == TRAINING_STEPS
    assert {name for name, status in training.items() if status != "cached"} == {"judge_challenger"}
    assert training["judge_challenger"] == "completed"
    assert set(monitoring.values()) == {"cached"}
    assert set(re.findall(r"^  = (\S+) +cached$", second.stderr, re.MULTILINE)) >= {
        name for name, status in training.items() if status == "cached"
    }


def test_the_second_run_finds_the_same_champion(journey: Journey, second: Done, served: Bundle) -> None:
    assert f"Champion   {NAME} v1, was the champion already, same digest" in second.stdout
    assert f"{journey.project.url}   {NAME} v1, digest {served.digest[:12]}" in second.stdout


def test_the_summary_is_one_screen_with_everything_in_it(journey: Journey, second: Done) -> None:
    lines = second.stdout.splitlines()
    assert (len(lines) < 50, max(map(len, lines)) < 200) == (True, True)
    found = journey.found
    expected = [
        *(f"Data       {site['site']}" for site in found["data"]),
        *("Candidates", "Held out", "Gate       pass", "Endpoint", "Prediction", "Drift      hungarian: RETRAIN"),
        *("reports/heart_disease/model_card.html", "mlflow ui --backend-store-uri sqlite:///mlflow.db"),
        *("zenml login --local", f"python run.py endpoint --dataset {NAME}", "Done in "),
    ]
    assert [text for text in expected if text not in second.stdout] == []
    (chosen,) = [line for line in lines if line.strip().startswith("*")]
    assert f"{found['leaderboard'][0]['mean']:.4f}" in chosen


def test_the_commands_it_prints_work(journey: Journey, second: Done) -> None:
    (line,) = [line for line in second.stdout.splitlines() if "run.py endpoint" in line]
    command = shlex.split(line.split("   ")[0])
    done = journey.project.run(*command[2:], "--json")
    assert json.loads(done.stdout)["url"] == journey.project.url
    status = journey.project.status()
    assert (status["exit_code"], status["ready"], status["version"], status["serving"]) == (0, True, "v1", "v1")
