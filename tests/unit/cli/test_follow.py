"""What the pods of a run write is said here once; `tests/cluster/test_pods.py` reads that of a real pod."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cli import follow
from project.errors import Unreachable
from stacks.probes import Failure
from stacks.step_pods import Ended

LOGS = [
    "Step deploy_champion has started.",
    "\x1b[37mheart_disease canary: v1 90 %, v2 10 %\x1b[0m",
    "[score_forest] score_forest: 3 of 10 folds",
    "\x1b[37mheart_disease canary: v1 50 %, v2 50 %\x1b[0m",
]


def test_a_rollout_s_shares_and_a_search_s_folds_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    told: Counter[str] = Counter()
    caplog.set_level("INFO")
    for end in (0, 2, 2, 4, 4):
        follow._tell({"deploy_champion": LOGS[:end]}, told)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("deployers.rollout", "heart_disease canary: v1 90 %, v2 10 %"),
        ("tabular.scoring", "score_forest: 3 of 10 folds"),
        ("deployers.rollout", "heart_disease canary: v1 50 %, v2 50 %"),
    ]


@pytest.mark.parametrize("status", ["retrying", "running"])
def test_a_step_whose_pod_ended_before_it_could_tell_is_named(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZenML's server lets nobody bring a run into this state; on a cluster 200 MiB for a step did."""

    def step(name: str, status: str) -> Any:
        return SimpleNamespace(name=name, status=SimpleNamespace(value=status), exception_info=None)

    killed = Ended("its pod was killed for want of memory: it may have 200Mi", "raise it")
    monkeypatch.setattr(follow, "ended", lambda _run, name, _since: killed if name == "package_model" else None)
    run: Any = SimpleNamespace(
        id="1", name="training", created=datetime.now(UTC), status=SimpleNamespace(value="failed")
    )
    steps = [step("load_rows", "cached"), step("score_forest", "stopped"), step("package_model", status)]
    said = follow._failure(run, steps)
    assert (said.cause, said.next_step) == (f"step package_model: {killed.cause}", "raise it")


def test_a_store_that_left_a_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        'EndpointConnectionError: Could not connect to the endpoint URL: "http://10.250.0.1:30707/tabular?list-type=2"'
    )
    gone = Ended(f"its pod failed before it began: {words}", "the same command again")
    monkeypatch.setattr(follow, "ended", lambda _run, _name, _since: gone)
    failed: Any = SimpleNamespace(name="second", status=SimpleNamespace(value="failed"), exception_info=None)
    run: Any = SimpleNamespace(id="1", name="training", created=datetime.now(UTC))
    for told in (None, SimpleNamespace(message=words, source="botocore.exceptions.EndpointConnectionError")):
        failed.exception_info = told
        said = follow._failure(run, [failed])
        assert isinstance(said, Unreachable)
        assert said.cause == "step second: the artifact store at http://10.250.0.1:30707 does not answer"


@pytest.mark.parametrize(
    ("begun", "status", "asked"),
    [
        pytest.param(None, "initializing", ["withdraw"], id="before its first pod"),
        pytest.param("pod", "running", ["stop"], id="at work"),
        pytest.param("pod", "stopping", [], id="stopped by another"),
        pytest.param("pod", "completed", [], id="at its end"),
    ],
)
def test_a_run_that_is_not_stopped_is_not_said_to_be(
    begun: str | None, status: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cluster does is in `tests/cluster/test_faults.py`; here it does not answer."""
    tried = []

    def silent(what: str) -> Any:
        def ask(*_: object) -> None:
            tried.append(what)
            raise Failure("the cluster does not answer", "kubectl get --raw /readyz")

        return ask

    monkeypatch.setattr(follow, "withdraw", silent("withdraw"))
    monkeypatch.setattr("zenml.utils.run_utils.stop_run", silent("stop"))
    state = SimpleNamespace(value=status, is_finished=status == "completed")
    run: Any = SimpleNamespace(id="1", name="training", orchestrator_run_id=begun, snapshot=None, status=state)
    monkeypatch.setattr("zenml.client.Client", lambda: SimpleNamespace(get_pipeline_run=lambda _: run))
    if asked:
        with pytest.raises(Unreachable) as said:
            follow._stop(run)
        assert said.value.cause == "run training could not be stopped and goes on: the cluster does not answer"
    else:
        follow._stop(run)
    assert tried == asked


def test_a_run_whose_server_does_not_answer_is_not_said_to_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("zenml.client.Client", lambda: SimpleNamespace(get_pipeline_run=silent))
    run: Any = SimpleNamespace(id="1", name="training")
    with pytest.raises(Unreachable, match="run training could not be stopped and goes on: no route to host"):
        follow._stop(run)
