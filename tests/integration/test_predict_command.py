"""`run.py predict` with the reference bundle behind a real endpoint: files, buckets, one row, and what goes wrong."""

from __future__ import annotations

import csv
import http.client
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deployers import TrafficPlan
from deployers.local import LocalDeployer
from project.errors import Exit
from project.paths import ROOT
from tabular.contract import load_contract
from tests.integration.forked import Forks
from tests.integration.object_store import BUCKET, object_store
from tests.integration.project_copy import Project, refusal

NAME = "heart_disease"
FEATURES = list(load_contract(NAME).features)
ROWS = [
    "63,1,1,145,233,1,2,150,0,2.3,3,0,6",
    "67,1,4,160,286,0,2,108,1,1.5,2,3,3",
    "37,1,3,130,250,0,0,187,0,3.5,3,0,?",
    "200,1,3,130,250,0,0,187,0,3.5,3,0,3",
    "41,0,2,130,0,maybe,2,172,0,1.4,1,0,9",
]


MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Project]:
    """A project whose endpoint serves the committed bundle; ZenML has never heard of it."""
    project = Project.copy(tmp_path_factory.mktemp("predict"), forks)
    deployer = LocalDeployer(project.root / ".endpoints", port=project.port, stack="local")
    deployer.deploy(ROOT / "models" / NAME, "v7", TrafficPlan.replace("v7"))
    (project.root / "rows.csv").write_text(
        "\n".join([",".join(["id", *FEATURES]), *(f"p{i},{r}" for i, r in enumerate(ROWS))])
    )
    yield project
    project.close()


def posted(project: Project, row: dict[str, Any]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", project.port, timeout=30)
    connection.request("POST", "/predict", json.dumps(row), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.load(response)


def sent(line: str) -> dict[str, Any]:
    """A line as a client would send it."""
    cells = dict(zip(FEATURES, line.split(","), strict=True))
    return {k: None if v == "?" else v if v == "maybe" else json.loads(v) for k, v in cells.items()}


def test_a_file_gets_the_endpoint_s_answers_and_reasons(project: Project) -> None:
    done = project.run(
        "predict", "--input", "rows.csv", "--output", "out/a.csv", "--keep", "id", "--max-rejects", "2", "--json"
    )
    assert done.returncode == Exit.DONE, done.stderr
    assert done.stderr == ""  # neither ZenML nor a warning
    found = json.loads(done.stdout)
    assert (found["version"], found["rows"], found["predicted"], found["rejected"]) == ("v7", 5, 3, 2)
    assert found["reasons"] == {"age": 1, "fbs": 1, "thal": 1}
    answers = pd.read_csv(project.root / found["output"]).set_index("row")
    told = pd.read_csv(project.root / found["rejects"])
    assert list(answers["id"]) == ["p0", "p1", "p2"]
    for number, line in enumerate(ROWS, start=1):
        status, body = posted(project, sent(line))
        if status == http.HTTPStatus.OK:
            assert answers["label"][number] == body["label"]
            assert answers["probability"][number] == pytest.approx(body["probability"], abs=1e-6)
        else:
            assert list(told[told["row"] == number]["reason"]) == [error["detail"] for error in body["errors"]]
    assert sum(found["labels"].values()) == 3


def test_too_many_rejects(project: Project) -> None:
    arguments = ("predict", "--input", "rows.csv", "--output", "few.csv", "--rejects", "why.csv", "--keep", "id")
    said = refusal(project.run(*arguments, "--json"))
    assert said["exit_code"] == Exit.REFUSED
    assert said["error"].startswith("2 of 5 rows do not fit the contract of heart_disease, allowed: 0, 10% of the rows")
    assert said["next"] == "correct the rows, or --max-rejects 2"
    assert not (project.root / "few.csv").exists()
    assert len((project.root / "why.csv").read_text().splitlines()) == 4


def test_the_data_set_s_own_files_need_no_header(project: Project) -> None:
    done = project.run("predict", "--input", "data/raw/heart_disease/processed.va.data", "--output", "va.parquet")
    assert done.returncode == Exit.DONE, done.stderr
    assert done.stdout.splitlines()[0].startswith("Predicted  200 of 200 rows: disease ")
    assert len(pd.read_parquet(project.root / "va.parquet")) == 200


def test_one_row_at_the_endpoint(project: Project) -> None:
    row = sent(ROWS[0])
    done = project.run("predict", "--row", json.dumps(row), "--json")
    assert done.returncode == Exit.DONE, done.stderr
    _, answer = posted(project, row)
    assert {**json.loads(done.stdout), "request_id": ""} == {**answer, "request_id": ""}


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("--row", '{"age": 200, "sex": 1}'), Exit.REFUSED, "age is 200; allowed: a number from 0 to 120"),
        (("--row", '{"age": 63'), Exit.USAGE, "--row is not JSON: Expecting ',' delimiter"),
        (("--row", "[1]"), Exit.USAGE, "--row is not a JSON object"),
        (("--row", "{}", "--dataset", "penguins"), Exit.UNREACHABLE, "there is no endpoint 'penguins'"),
        (("--row", "{}", "--input", "rows.csv"), Exit.USAGE, "leave --input and --output out"),
        (("--input", "rows.csv"), Exit.USAGE, "give --input and --output, or --row"),
        (("--input", "rows.csv", "--output", "x.csv"), Exit.REFUSED, "unknown column 'id'; allowed: age, sex"),
        (("--input", "none.csv", "--output", "x.csv"), Exit.UNREACHABLE, "none.csv does not exist"),
        (("--input", "rows.csv", "--output", "data"), Exit.USAGE, "data is a folder"),
        (
            ("--input", "rows.csv", "--output", "x", "--dataset", "heart_diseas"),
            Exit.USAGE,
            "did you mean 'heart_disease'?",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    project: Project, arguments: tuple[str, ...], code: Exit, reason: str
) -> None:
    said = refusal(project.run("predict", *arguments, "--json"))
    assert said["exit_code"] == code
    assert reason in said["error"]


def test_a_bundle_of_choice(project: Project) -> None:
    bundle = f"models/{NAME}"
    arguments = ("--input", "rows.csv", "--output", "b.csv", "--keep", "id", "--max-rejects", "2")
    done = project.run("predict", "--bundle", bundle, *arguments, "--json")
    assert json.loads(done.stdout)["version"] == bundle
    said = refusal(project.run("predict", "--bundle", bundle, "--dataset", "penguins", *arguments, "--json"))
    assert said["next"] == f"add --dataset {NAME}"


def test_a_damaged_bundle_of_choice_says_how_to_get_a_whole_one(project: Project, tmp_path: Path) -> None:
    bundle = shutil.copytree(ROOT / "models" / NAME, tmp_path / "bundle")
    (bundle / "serving.json").write_text("{}")
    arguments = ("--input", "rows.csv", "--output", "damaged.csv", "--json")
    said = refusal(project.run("predict", "--bundle", str(bundle), *arguments))
    assert (said["exit_code"], said["error"], said["next"]) == (
        Exit.REFUSED,
        f"bundle {bundle}: serving.json does not match its sha256 in manifest.json",
        f"restore it from a copy, or make it anew: python run.py train --dataset {NAME} --bundle {bundle}",
    )


def test_from_bucket_to_bucket(project: Project) -> None:
    source, output = f"s3://{BUCKET}/in/rows.csv", f"s3://{BUCKET}/out/answers.parquet"
    arguments = ("--input", source, "--output", output, "--keep", "id", "--json")
    with object_store() as store:
        store.upload_file(str(project.root / "rows.csv"), BUCKET, "in/rows.csv")
        refusal(project.run("predict", *arguments))
        assert keys(store) == ["in/rows.csv", "out/answers.rejects.csv"]
        done = project.run("predict", *arguments, "--max-rejects", "2")
        assert done.returncode == Exit.DONE, done.stderr
        assert keys(store) == ["in/rows.csv", "out/answers.parquet", "out/answers.rejects.csv"]
        answers = pd.read_parquet(io.BytesIO(store.get_object(Bucket=BUCKET, Key="out/answers.parquet")["Body"].read()))
        told = store.get_object(Bucket=BUCKET, Key="out/answers.rejects.csv")["Body"].read().decode()
    assert list(answers["id"]) == ["p0", "p1", "p2"]
    assert [line["column"] for line in csv.DictReader(io.StringIO(told))] == ["age", "fbs", "thal"]


def keys(store: Any) -> list[str]:
    return [item["Key"] for item in store.list_objects_v2(Bucket=BUCKET)["Contents"]]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(project: Project, tmp_path: Path) -> None:
    peaks = [peak(project, tmp_path, rows) for rows in (140_000, 280_000)]  # three chunks, and five
    assert 50 < peaks[0] < 400
    assert peaks[1] < peaks[0] + 25  # MiB; four times that are the further cells of the larger file


def peak(project: Project, folder: Path, rows: int) -> float:
    """Most memory a batch run of so many rows has held, in MiB."""
    (folder / "many.csv").write_text("\n".join([",".join(FEATURES), *(ROWS[i % 3] for i in range(rows))]))
    # A child counts its parent's memory until it has become another program: the parent must be a small one.
    files = ["--input", str(folder / "many.csv"), "--output", str(folder / "o.csv")]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, "run.py", "predict", *files],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1]) / (1024 if sys.platform == "linux" else 1024**2)
