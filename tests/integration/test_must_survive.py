"""What goes wrong around a journey: one clear line, the right exit code, and the version before keeps serving."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from deployers.local import LocalDeployer
from project.errors import Exit
from tests.integration.forked import Forks
from tests.integration.project_copy import Project, load, refusal, zenml_of

NAME = "heart_disease"
TRAINING, MONITORING = "configs/training.yaml", "configs/monitoring.yaml"
CONTRACT, CLEVELAND = f"configs/datasets/{NAME}.yaml", f"data/raw/{NAME}/processed.cleveland.data"
Edit = Callable[[str, str, str], None]

try:
    subprocess.run(["unshare", "--map-root-user", "--mount", "true"], check=True, capture_output=True)
    NAMESPACES = True
except (OSError, subprocess.CalledProcessError):
    NAMESPACES = False
needs_mounts = pytest.mark.skipif(not NAMESPACES, reason="needs mount namespaces: `unshare --map-root-user --mount`")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Project]:
    """A project with one candidate, whose first version serves."""
    project = Project.copy(tmp_path_factory.mktemp("small"), forks)
    config = project.root / TRAINING
    config.write_text(re.sub(r"\n  forest:.*?\n\ngates:", "\n\ngates:", config.read_text(), flags=re.DOTALL))
    done = project.journey()
    assert done.returncode == 0, done.stderr
    yield project
    project.close()


@pytest.fixture
def served(small: Project) -> Iterator[Project]:
    """The same; after the test the same version must serve, and nobody else must be at work."""
    before = small.status()
    answer = small.ask(_example(small))
    yield small
    after = small.status()
    assert (after["exit_code"], after["ready"]) == (Exit.DONE, True)
    assert [after[key] for key in ("url", "version", "digest")] == [before[key] for key in ("url", "version", "digest")]
    assert _without_id(small.ask(_example(small))) == _without_id(answer)
    assert {process.cmdline()[2] for process in small.processes()} == {"serving", "serving.worker"}
    assert list((small.root.parent / "tmp").iterdir()) == []


@pytest.fixture
def edit(small: Project) -> Iterator[Edit]:
    """Edit the project's files; afterwards they are as before."""
    with ExitStack() as undo:

        def change(file: str, old: str, new: str) -> None:
            undo.enter_context(small.restored(file))
            small.edit(file, old, new)

        yield change


# Refused before or while training


def test_rows_that_break_the_contract(served: Project, edit: Edit) -> None:
    edit(CLEVELAND, "63.0,1.0,1.0,145.0,", "630.0,1.0,1.0,145.0,")
    (checksum,) = re.findall(r"processed.cleveland.data\n +sha256: (\w+)", (served.root / CONTRACT).read_text())
    edit(CONTRACT, f"    sha256: {checksum}\n", "")
    said = refusal(served.journey())
    assert said["exit_code"] == Exit.REFUSED
    assert "cleveland: 1 of " in said["error"]
    assert "age: out of range: 630 in row 1, allowed: a number from 0 to 120" in said["error"]
    assert said["next"] == f"correct the rows or the contract, then python run.py data validate --dataset {NAME}"


@pytest.mark.parametrize(
    ("file", "old", "new", "error"),
    [
        (TRAINING, "test_share:", "test_shar:", f"{TRAINING}:3: unknown key 'test_shar'; did you mean 'test_share'?"),
        (MONITORING, "watch_from:", "watch_fro:", "unknown key 'drift.watch_fro'; did you mean 'watch_from'?"),
        (CONTRACT, "\ntarget:", "\ntargt:", "unknown key 'targt'; did you mean 'target'?"),
        ("stacks/local.yaml", "port: 8000", "prt: 8000", "unknown key 'prt' for the tabular_local model_deployer"),
        ("stacks/local.resources.yaml", "server:", "servr:", "unknown key 'servr'; did you mean 'server'?"),
    ],
)
def test_a_typo_is_found_before_anything_runs(
    served: Project, edit: Edit, file: str, old: str, new: str, error: str
) -> None:
    edit(file, old, new)
    done = served.journey()
    said = refusal(done)
    assert said["exit_code"] == Exit.USAGE
    assert error in said["error"]
    assert "✓" not in done.stderr


def test_a_port_that_another_program_has(served: Project) -> None:
    text = (served.root / CONTRACT).read_text()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (served.root / "configs/datasets/second.yaml").write_text(text.replace(f"name: {NAME}", "name: second"))
        done = served.run("--stack", "local", "--dataset", "second", "--port", str(port), "--json")
    said = refusal(done)
    assert said["exit_code"] == Exit.UNREACHABLE
    assert said["error"].startswith(f"port {port} is held by process {os.getpid()} (")
    assert re.fullmatch(r"stop it, or python run\.py --stack local --dataset second --port \d+", said["next"])
    assert "load_rows" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("store", ["mlflow.db", "../zenml/local_stores/default_zen_store/zenml.db"])
def test_a_store_that_is_locked(served: Project, store: str) -> None:
    assert (served.root / store).is_file()
    with sqlite3.connect(served.root / store, isolation_level=None) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        said = refusal(served.journey())
        lock.execute("ROLLBACK")
    assert said["exit_code"] == Exit.UNREACHABLE
    assert said["error"] == "a store is locked by another process"


# Disks


@pytest.mark.slow
@needs_mounts
def test_a_project_that_can_not_be_written(served: Project) -> None:
    root = str(served.root)
    read_only = [["mount", "--bind", root, root], ["mount", "-o", "remount,ro,bind", root]]
    done = served.journey(mounts=read_only)
    said = refusal(done)
    assert said["exit_code"] == Exit.FAULT
    assert said["error"] == f"{served.root} can not be written: models and reports go there"
    assert "load_rows" not in done.stderr
    assert served.run("status", mounts=read_only).returncode == Exit.DONE


@pytest.mark.slow
@needs_mounts
@pytest.mark.parametrize(
    ("place", "done_before"),
    [
        pytest.param("project/mlruns", "score_logistic", id="MLflow's artifacts"),
        pytest.param("zenml/local_stores/*/package_model", "score_logistic", id="the bundle"),
        pytest.param("zenml/local_stores/default_zen_store", None, id="ZenML's database"),
    ],
)
def test_a_disk_that_fills_up_while_a_model_is_packaged(
    served: Project, edit: Edit, place: str, done_before: str | None
) -> None:
    edit(TRAINING, "false_negative: 2\n", "false_negative: 9\n")  # another threshold: another bundle, same scores
    before = _champions(served)
    (folder,) = served.root.parent.glob(place)
    done = served.journey(mounts=_full(served, folder))
    said = refusal(done)
    assert said["exit_code"] == Exit.FAULT
    assert said["error"].startswith("the disk is full")
    assert said["next"] == "free space, then type the same command again"
    assert done_before is None or re.search(f"[✓=] {done_before} ", done.stderr)
    assert "✓ package_model" not in done.stderr
    assert _champions(served) == before


# The server


def test_a_worker_that_is_killed_is_replaced(served: Project) -> None:
    deployer = LocalDeployer(served.root / ".endpoints")
    (worker,) = deployer.status(NAME).workers
    os.kill(worker, signal.SIGKILL)
    assert served.ask(_example(served))["model"] == NAME  # waits in the queue until the next worker accepts it
    (another,) = served.status()["workers"]
    assert another != worker


def test_a_server_that_is_killed_is_said_to_be_gone_and_comes_back(served: Project) -> None:
    before = served.status()
    (worker,) = before["workers"]
    supervisor = psutil.Process(worker).parent()
    assert supervisor is not None
    supervisor.kill()
    after = served.status()
    assert (after["exit_code"], after["ready"]) == (Exit.UNREACHABLE, False)
    assert after["detail"] == f"its server, process {supervisor.pid}, is gone; python run.py deploy starts it again"
    done = served.run("deploy", "--stack", "local", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["endpoint"]
    assert [found[key] for key in ("url", "version", "digest")] == [before[key] for key in ("url", "version", "digest")]


def test_options_that_had_nothing_to_do_are_said(served: Project) -> None:
    other = served.port + 1
    done = served.run("deploy", "--stack", "local", "--strategy", "canary", "--port", str(other))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:3] == [
        f"--port {other} was not used: the URL stays until python run.py down --dataset {NAME}",
        "--strategy canary was not used: no other version served before",
    ]


# Bytes


def test_a_damaged_bundle_takes_no_traffic(served: Project) -> None:
    before = {path: path.read_bytes() for path in served.zenml.glob("local_stores/*/package_model/bundle/*/*/*.onnx")}
    for path, content in before.items():
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        said = refusal(served.run("deploy", "--stack", "local", "--json"))
    finally:
        for path, content in before.items():
            path.write_bytes(content)
    assert said["exit_code"] == Exit.REFUSED
    damaged = "model.onnx does not match its sha256 in manifest.json"
    assert said["error"] in [f"bundle {path.parent}: {damaged}" for path in before]
    assert said["next"] == "restore it from a copy, or make it anew: python run.py --no-cache"


# Ctrl-C, and the run after it


@pytest.mark.parametrize(
    "step",
    [
        "load_rows",
        pytest.param("score_logistic", marks=pytest.mark.slow),
        pytest.param("package_model", marks=pytest.mark.slow),
        "deploy_champion",
    ],
)
def test_ctrl_c_at_a_step(served: Project, edit: Edit, step: str) -> None:
    _another_model(edit)
    # The quickest step, held: Ctrl-C is to meet it and not what comes behind.
    deploys = "        return roll_out("
    edit("steps/deployment/deploy_champion.py", deploys, f"        __import__('time').sleep(10)\n{deploys}")
    code, shown = served.interrupted(step, *(["--no-cache"] if step == "load_rows" else []))
    assert code == Exit.INTERRUPTED, shown
    assert shown.splitlines()[-2:] == [
        "error: interrupted; what was serving keeps serving",
        "next:  type the same command again",
    ]


def test_a_new_version_takes_over_without_a_failed_request_and_can_be_rolled_back(small: Project, edit: Edit) -> None:
    _another_model(edit)
    before, row = small.status(), _example(small)
    with load(small, row) as requests:
        done = small.journey()
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        small.ask(row)
        rolled_back = small.run("rollback", "--json")
        small.ask(row)
    new = found["endpoint"]["version"]
    assert requests.failures == []
    assert _runs_of(requests.versions) == [before["version"], new, before["version"]]
    assert found["promotion"]["version"] == found["prediction"]["version"] == new != before["version"]
    assert found["endpoint"]["url"] == before["url"]
    assert json.loads(rolled_back.stdout)["version"] == before["version"]

    assert _champions(small) == (new, new)  # a rollback is quick: it leaves the registries to the next run
    deployed = small.run("deploy", "--stack", "local", "--json")
    assert f"{NAME} {before['version']} is the champion again" in deployed.stderr
    assert json.loads(deployed.stdout)["endpoint"]["version"] == before["version"]
    assert _champions(small) == (before["version"], before["version"])


@pytest.mark.slow
def test_two_journeys_at_once(small: Project, edit: Edit) -> None:
    edit(TRAINING, "false_negative: 2\n", "false_negative: 30\n")
    before = small.status()["version"]
    command = ("--stack", "local", "--port", str(small.port), "--json")
    first, second = small.start(*command), small.start(*command)
    both = [first(), second()]
    assert sorted(done.returncode for done in both) in ([Exit.DONE, Exit.DONE], [Exit.DONE, Exit.REFUSED]), both
    for done in both:
        assert "Traceback" not in done.stderr
        if done.returncode == Exit.REFUSED:
            assert "is at it" in refusal(done)["error"]
    serving = small.status()["version"]
    assert serving != before
    assert _champions(small) == (serving, serving)


def _full(project: Project, folder: Path) -> list[list[str]]:
    """Commands that put what lies in a folder on a disk with room for two blocks more."""
    spare, block = project.root.parent / "spare", 4096
    spare.mkdir(exist_ok=True)
    blocks = sum(-(-path.stat().st_size // block) for path in folder.rglob("*") if path.is_file()) + 2
    return [
        ["mount", "-t", "tmpfs", "-o", f"size={blocks * block}", "tmpfs", str(spare)],
        ["cp", "-a", f"{folder}/.", str(spare)],
        ["mount", "--bind", str(spare), str(folder)],
    ]


def _another_model(edit: Edit) -> None:
    edit(TRAINING, "quick: {folds: 5, repeats: 2}", "quick: {folds: 5, repeats: 3}")
    edit(TRAINING, "false_negative: 2\n", "false_negative: 6\n")


def _example(project: Project) -> dict[str, Any]:
    record = json.loads((project.root / ".endpoints" / NAME / "record.json").read_text())
    example: dict[str, Any] = record["example"]
    return example


def _without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "request_id"}


def _runs_of(versions: Sequence[str]) -> list[str]:
    """The versions in the order they answered, repetitions left out."""
    return [version for index, version in enumerate(versions) if index == 0 or version != versions[index - 1]]


def _champions(project: Project) -> tuple[str, str]:
    """The champion as ZenML and as MLflow have it."""
    from mlflow import MlflowClient

    alias = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}").get_model_version_by_alias(NAME, "champion")
    with zenml_of(project) as client:
        return str(client.get_model_version(NAME, "production").name), f"v{alias.version}"


# The last, for it leaves a champion that does not serve


@pytest.mark.slow
@needs_mounts
def test_a_disk_that_fills_up_while_a_model_is_deployed(served: Project, edit: Edit) -> None:
    edit(TRAINING, "false_negative: 2\n", "false_negative: 8\n")
    folder = served.root / ".endpoints" / NAME / "bundles"
    done = served.journey(mounts=_full(served, folder))
    said = refusal(done)
    assert said["exit_code"] == Exit.FAULT
    assert said["error"] == f"{folder.parent} can not be written: No space left on device"
    assert said["next"] == "free space there, then again"
    assert "✓ judge_challenger " in done.stderr
