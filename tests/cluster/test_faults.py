"""A run to which something happens: it goes on, or says why it does not in seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from k8s.platform.settings import MODELS, SERVERS, Settings
from project.errors import Exit
from project.images import image_name
from project.paths import ROOT
from tests.cluster.conftest import Done, kubectl
from tests.served import until

pytestmark = pytest.mark.cluster
PATIENCE = 400
Running = subprocess.Popen[str]
DONE = "first={} second=completed completed 21"


@contextmanager
def running(stack: Mapping[str, str], image: str, *how: str) -> Iterator[tuple[Running, Callable[[], bool]]]:
    """Two steps, and whether the second is at work; whoever has ended is not waited for."""
    command = ["env", "--default-signal=INT", sys.executable, "-m", "tests.cluster.two_steps", image, *how]
    environment, before = {**os.environ, **stack}, second_pods()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)  # type: ignore[call-overload]

    def at_work() -> bool:
        assert process.poll() is None, process.communicate()
        logs = (kubectl("logs", "--namespace", MODELS, pod) for pod in second_pods() - before)
        return any("has started" in log for log in logs)

    try:
        yield process, at_work
    finally:
        process.kill()


def second_pods() -> set[str]:
    """Pods of the second step that run."""
    selector = ("--namespace", MODELS, "--selector", "step_name=second,pipeline=two-steps")
    return set(kubectl("get", "pods", *selector, "--field-selector=status.phase=Running", "--output", "name").split())


def ended(process: Running) -> Done:
    out, err = process.communicate(timeout=PATIENCE)
    return Done(process.args, process.returncode, out, err)


def steps_image(platform: Settings) -> str:
    return image_name("steps", platform.registry)


def test_a_step_that_needs_more_memory_than_it_may_have_is_named(platform: Settings, stack: dict[str, str]) -> None:
    with running(stack, steps_image(platform), "--gibibytes", "3") as (process, _):
        done = ended(process)
    assert done.returncode == Exit.FAULT, done.stdout + done.stderr[-2000:]
    said = done.stdout.splitlines()[-1]
    assert "step second: its pod was killed for want of memory: it may have 2Gi. Next: raise pod_settings" in said


def test_an_image_that_can_not_be_pulled_is_said_and_not_waited_for(platform: Settings, stack: dict[str, str]) -> None:
    before = submitted()
    with running(stack, f"{platform.registry}/steps:none") as (process, _):
        done = ended(process)
    assert done.returncode == Exit.UNREACHABLE, done.stdout + done.stderr[-2000:]
    assert "Unreachable: the image of the steps can not be pulled: " in done.stdout.splitlines()[-1]
    assert "steps:none" in done.stdout
    assert submitted() <= before


def test_ctrl_c_before_a_run_has_begun_leaves_nothing_that_begins(platform: Settings, stack: dict[str, str]) -> None:
    """ZenML stops no run of which no pod has yet said that it began."""
    before, salt = submitted(), str(time.time())
    with running(stack, steps_image(platform), "--salt", salt) as (process, _):
        assert process.stdout is not None
        assert "submitted\n" in process.stdout
        assert submitted() - before
        process.send_signal(signal.SIGINT)
        done = ended(process)
    assert "KeyboardInterrupt" in done.stderr.splitlines()[-1]
    assert submitted() <= before


def submitted() -> set[str]:
    """What a run leaves with the cluster before its first pod begins: that pod's Job, and the Secret it asks with."""
    where = ("--namespace", MODELS, "--output", "name")
    jobs = kubectl("get", "jobs", "--selector", "pipeline=two-steps,!step_name", *where).split()
    return {*jobs, *(name for name in kubectl("get", "secrets", *where).split() if "/zenml-token-" in name)}


def test_a_run_outlives_its_server(platform: Settings, stack: dict[str, str]) -> None:
    with running(stack, steps_image(platform), "--seconds", "20", "--tries", "2") as (process, at_work):
        until(at_work, seconds=120)
        kubectl("--namespace", SERVERS, "rollout", "restart", "deployment/zenml")
        done = ended(process)
    kubectl("--namespace", SERVERS, "rollout", "status", "deployment/zenml", "--timeout=180s")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == DONE.format("completed")


def test_a_store_that_goes_while_a_step_works_ends_the_run_and_the_next_one_resumes(
    platform: Settings, stack: dict[str, str]
) -> None:
    salt = str(time.time())
    try:
        with running(stack, steps_image(platform), "--salt", salt, "--seconds", "15") as (process, at_work):
            until(at_work, seconds=120)
            kubectl("--namespace", SERVERS, "scale", "deployment/s3", "--replicas", "0")
            done = ended(process)
    finally:
        kubectl("--namespace", SERVERS, "scale", "deployment/s3", "--replicas", "1")
        kubectl("--namespace", SERVERS, "rollout", "status", "deployment/s3", "--timeout=180s")
    assert done.returncode == Exit.UNREACHABLE, done.stdout + done.stderr[-2000:]
    assert platform.urls["s3"] in done.stdout.splitlines()[-1]
    with running(stack, steps_image(platform), "--salt", salt) as (process, _):
        again = ended(process)
    assert again.stdout.splitlines()[-1] == DONE.format("cached"), again.stderr[-2000:]
