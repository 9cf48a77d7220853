"""Rollouts on a real cluster at 200 requests a second: nobody notices a good one, a bad one is taken back by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from deployers.rollout import RolloutSettings, roll_out
from deployers.traffic import Mode
from project.errors import Refused
from project.paths import ROOT
from tests.cluster.endpoints import CLIENTS, GUARD, NAME, RATE, Trial, key, post, settings
from tests.served import until
from tests.serving_bundle import ROW

pytestmark = pytest.mark.cluster
CLIENT = """
import json, signal, sys
from pathlib import Path
from deployers.rollout import RolloutSettings, roll_out
from k8s.platform.settings import settings
from tests.cluster.endpoints import BACKENDS, target_of

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job ignores
backend, bundle, how = sys.argv[1:]
deployer = BACKENDS[backend](target_of(settings()), "tests")
roll_out(deployer, Path(bundle), "v2", RolloutSettings.model_validate(json.loads(how)))
"""


@pytest.mark.parametrize("strategy", ["replace", "blue-green", "canary", "ab", "shadow"])
def test_no_rollout_and_no_way_back_fails_a_request(trial: Trial, strategy: str) -> None:
    with trial.load() as found:
        reached = roll_out(trial.deployer, trial.made["v2"], "v2", settings(strategy))
        found.more(200)
        before = found.versions.copy()
        back = trial.deployer.rollback(NAME)
        found.more(200)
    assert found.failures == found.refused == []
    # What is behind the gateway changes, and a connection to it stays; the others are new each time.
    assert (found.opened["kept"], found.opened["fresh"]) == (CLIENTS, found.asked["fresh"])
    assert min(found.asked.values()) > found.count / 3
    promoted = strategy in ("replace", "blue-green", "canary")
    assert reached.current.version == ("v2" if promoted else "v1")
    assert set(before) == ({"v1"} if strategy == "shadow" else {"v1", "v2"})
    assert (back.current.version, back.plan) == ("v1", None)
    until(lambda: trial.versions() == {"v1"})


def test_blue_keeps_its_pods_for_the_way_back(trial: Trial) -> None:
    blue = {pod["metadata"]["name"] for pod in trial.pods()}
    roll_out(trial.deployer, trial.made["v2"], "v2", settings("blue-green", seconds=0))
    assert trial.versions() == {"v1", "v2"}
    assert blue <= {pod["metadata"]["name"] for pod in trial.pods()}
    assert trial.deployer.rollback(NAME).current.version == "v1"
    assert blue <= {pod["metadata"]["name"] for pod in trial.pods()}


@pytest.mark.parametrize(
    ("bundle", "guard", "reason"),
    [
        pytest.param("failing", {}, "requests failed, at most 2.0% may", id="500s"),
        pytest.param("slow", {"slow_seconds": 0.0025, "slow": 0.5}, "requests took over 2.5 ms", id="slow"),
        pytest.param("shifted", {"shift": 0.25}, "at most 25% apart they may be", id="other predictions"),
    ],
)
def test_a_canary_that_goes_bad_is_rolled_back_by_itself(
    trial: Trial, bundle: str, guard: dict[str, float], reason: str
) -> None:
    how = settings("canary", seconds=60, guard=guard)
    with trial.load(age=77) as found:
        with pytest.raises(Refused) as refusal:
            roll_out(trial.deployer, trial.made[bundle], "v2", how)
        hit = found.versions["v2"] + len(found.failures)
        found.more(400)
    assert found.versions["v2"] + len(found.failures) == hit  # none after it
    assert reason in refusal.value.cause
    assert refusal.value.cause.endswith("v1 serves")
    assert found.refused == []
    assert all("500" in failure for failure in found.failures)
    assert bool(found.failures) == (bundle == "failing")
    assert hit <= most_hurt(how)
    endpoint = trial.deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.plan) == ("v1", None)
    assert (endpoint.previous[0].version, endpoint.previous[0].withdrawn) == ("v2", True)


def most_hurt(how: RolloutSettings) -> float:
    """Requests that a version gets which goes bad at its first share: those the guard wants, and what comes meanwhile.

    Ten seconds of its share, many times what a look and the way back let pass; were nobody looking, a minute's would.
    """
    return GUARD["requests"] + how.shares[0] / 100 * RATE * 10


def test_a_shadow_that_fails_changes_no_answer(trial: Trial) -> None:
    with trial.load(age=77) as found:
        roll_out(trial.deployer, trial.made["failing"], "v2", settings("shadow"))
        found.more(400)
        until(lambda: "v2" in trial.deployer.status(NAME).breaches)
    assert (found.failures, found.refused, set(found.versions)) == ([], [], {"v1"})


def test_a_variant_that_fails_does_not_stay(trial: Trial) -> None:
    how = settings("ab", seconds=60, shares=(20,))
    with trial.load(age=77) as found:
        with pytest.raises(Refused, match=r"requests failed, at most 2\.0% may; v1 serves"):
            roll_out(trial.deployer, trial.made["failing"], "v2", how)
        hurt = len(found.failures)
        found.more(400)
    assert len(found.failures) == hurt > 0
    assert hurt <= most_hurt(how)
    endpoint = trial.deployer.status(NAME).endpoint
    assert (endpoint.current.version, endpoint.beside, endpoint.plan) == ("v1", (), None)


def test_in_an_ab_test_the_first_answer_names_the_variant_and_the_name_is_kept(trial: Trial) -> None:
    roll_out(trial.deployer, trial.made["v2"], "v2", settings("ab", shares=(50,)))
    first = [variant(trial) for _ in range(40)]
    assert set(first) == {("v1", "v1"), ("v2", "v2")}
    for version in ("v1", "v2"):
        assert Counter(variant(trial, version) for _ in range(20)) == {(version, version): 20}
    assert {variant(trial, "v9") for _ in range(40)} == {("v1", "v1"), ("v2", "v2")}
    assert sorted(trial.deployer.status(NAME).pods) == sorted(pod["metadata"]["name"] for pod in trial.pods())


def variant(trial: Trial, wanted: str = "") -> tuple[str | None, str]:
    """What an answer's header says of its version, and what its body does."""
    url = f"{trial.deployer.target.endpoint_url(NAME)}/predict"
    answer = post(url, ROW, {"X-API-Key": key(), **({"X-Variant": wanted} if wanted else {})})
    return answer.headers.get("x-variant"), str(answer.json["version"])


def began(trial: Trial, how: RolloutSettings, share: float, interrupt: signal.Signals) -> subprocess.Popen[bytes]:
    """A rollout in a process of its own, which gets a signal once this share is out."""

    def out() -> bool:
        plan = trial.deployer.status(NAME).endpoint.plan
        return plan is not None and plan.weights["v2"] == share

    arguments = [trial.backend, str(trial.made["v2"]), how.model_dump_json()]
    client = subprocess.Popen([sys.executable, "-c", CLIENT, *arguments], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        until(lambda: out() or client.poll() is not None, seconds=180)
        assert client.poll() is None, client.communicate()
    finally:
        os.kill(client.pid, interrupt)
        client.communicate()
    return client


def test_a_rollout_whose_client_dies_goes_on_where_it_was(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    with trial.load() as found:
        began(trial, settings("canary", seconds=4, shares=(10, 30, 80)), 30, signal.SIGKILL)
        left = trial.deployer.status(NAME)
        assert left.endpoint.plan is not None
        assert (left.ready, left.endpoint.plan.mode, left.endpoint.plan.weights) == (
            True,
            Mode.CANARY,
            {"v1": 70, "v2": 30},
        )
        before = found.versions.copy()
        found.more(1000)
        drawn = found.versions - before
        assert abs(drawn["v2"] - 0.3 * drawn.total()) < 5 * (0.3 * 0.7 * drawn.total()) ** 0.5  # standard deviations
        with caplog.at_level("INFO", "deployers.rollout"):
            endpoint = roll_out(trial.deployer, trial.made["v2"], "v2", settings("canary", 1, shares=(10, 30, 80)))
        assert (endpoint.current.version, endpoint.plan) == ("v2", None)
    assert [share for share in (10, 30, 80) if f"v2 {share} %" in caplog.text] == [30, 80]
    assert found.failures == found.refused == []


def test_an_interrupted_rollout_is_taken_back(trial: Trial) -> None:
    with trial.load() as found:
        began(trial, settings("canary", seconds=600), 10, signal.SIGINT)
        endpoint = trial.deployer.status(NAME).endpoint
        assert (endpoint.current.version, endpoint.beside, endpoint.plan) == ("v1", (), None)
        found.more(100)
    assert found.failures == found.refused == []
    until(lambda: trial.versions() == {"v1"})
