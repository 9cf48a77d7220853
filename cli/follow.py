"""Follow a run whose steps run elsewhere: its progress as of one that runs here, its failure as the step meant it."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING

from cli.failures import of_a_store
from cli.progress import COLOUR, FOLDS
from deployers.traffic import Mode
from project import errors
from project.errors import ProjectError, Unreachable, reason
from stacks.step_logs import written
from stacks.step_pods import AGAIN, at_work, ended, stuck, where_steps_run, withdraw

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse, StepRunResponse

LOGGER = logging.getLogger(__name__)
POLL = 1.0
MOST_STEPS = 500
UNANSWERED = 180.0
"""Seconds that the server may be away."""
LEAVING = 40.0
"""Seconds that the pods of a run that was stopped have to end; Kubernetes gives them thirty."""
UNBEGUN = 20.0
"""Seconds without a step after which it is asked why."""
TOLD = {
    "deployers.rollout": re.compile(rf"\S+ (?:{'|'.join(Mode)}): .+"),
    "deployers.kubernetes.handover": re.compile(r"\S+ (?:serves|is as it was), but what .+ is still there: .+"),
    "tabular.scoring": FOLDS,
}
"""What of a pod's log is said here too, by the logger that says it in a local run."""
UNDONE = ("failed", "retrying", "running")
"""What a step is called that did not end well, the plainest first: a pod that is killed leaves what it was called."""
NEXT = ". Next: "
"""Between the cause and the next step of our errors, as `ProjectError.__str__` writes them."""


def followed(run: PipelineRunResponse) -> PipelineRunResponse:
    """Wait for the end of a run and say which step is at work, in the words in which ZenML says it of a local one.

    Ctrl-C stops the run too, and waits for the pod at work to end: a rollout takes its challenger back there.

    Raises:
        ProjectError: A step failed: its own error where it is one of ours, else the first line of what it raised.
        Unreachable: The server is gone, the first pod can not begin, or a run can not be stopped.
    """
    from zenml.client import Client

    client = Client()
    said: set[tuple[str, str]] = set()
    told: Counter[str] = Counter()
    place = None
    began = answered = time.monotonic()
    try:
        while True:
            try:
                # The run first: what its steps were when it ended is then in what they are now.
                current = client.get_pipeline_run(run.id)
                steps = client.list_run_steps(pipeline_run_id=run.id, sort_by="asc:start_time", size=MOST_STEPS).items
                place = place or where_steps_run()
            except OSError as error:  # the run does not need us, and a server that is replaced comes back
                if time.monotonic() - answered > UNANSWERED:
                    raise Unreachable(f"the ZenML server does not answer any more: {error}", AGAIN) from error
                time.sleep(POLL)
                continue
            answered = time.monotonic()
            _tell(written(place, str(run.id), [step.name for step in steps if _works(step, said)]), told)
            _say(steps, said)
            if current.status.is_finished:
                break
            if not steps and answered - began > UNBEGUN:
                _refuse_stuck(current)
                began = answered
            time.sleep(POLL)
    except KeyboardInterrupt:
        _stop(run)
        until = time.monotonic() + LEAVING
        while at_work(str(run.id)) and time.monotonic() < until:
            time.sleep(POLL)
        raise
    if not current.status.is_successful:
        raise _failure(current, steps)
    return current


def _refuse_stuck(run: PipelineRunResponse) -> None:
    """End a run whose first pod can not begin.

    Raises:
        Unreachable: It can not.
    """
    if (pod := stuck(str(run.id))) is None:
        return
    with suppress(Unreachable):  # why it can not begin is worth more than that it was not stopped
        _stop(run)
    raise Unreachable(pod.cause, pod.next_step)


def _stop(run: PipelineRunResponse) -> None:
    """Stop a run that has not ended.

    Raises:
        Unreachable: It goes on.
    """
    from zenml.client import Client
    from zenml.utils.run_utils import stop_run

    try:
        run = Client().get_pipeline_run(run.id)
        if run.orchestrator_run_id is None:  # ZenML stops none of which no pod has yet said that it began
            withdraw(str(run.id), str(run.snapshot.id) if run.snapshot else "")
        elif run.status.value != "stopping" and not run.status.is_finished:
            stop_run(run)
    except Exception as error:  # noqa: BLE001  ZenML and the cluster's client have many, and the run goes on after each
        cause = f"run {run.name} could not be stopped and goes on: {getattr(error, 'cause', None) or reason(error)}"
        raise Unreachable(cause, f"kubectl delete jobs --all-namespaces --selector run_id={run.id}") from None


def _works(step: StepRunResponse, said: set[tuple[str, str]]) -> bool:
    """Whether a step may have written what was not told yet: one that has just ended may."""
    status = step.status.value
    return status == "running" or (status in ("completed", "failed") and (step.name, status) not in said)


def _tell(lines: Mapping[str, Sequence[str]], told: Counter[str]) -> None:
    """Say what long steps do meanwhile, as where they run here.

    Args:
        lines: All that each step has written so far.
        told: How many of them were looked at; counted up.
    """
    for step, all_lines in lines.items():
        for line in all_lines[told[step] :]:
            for name, pattern in TOLD.items():
                if found := pattern.search(COLOUR.sub("", line)):
                    logging.getLogger(name).info("%s", found[0])
        told[step] = len(all_lines)


def _say(steps: Sequence[StepRunResponse], said: set[tuple[str, str]]) -> None:
    for step in steps:
        if (step.name, step.status.value) in said:
            continue
        said.add((step.name, step.status.value))
        if step.status.value == "running":
            LOGGER.info("Step %s has started.", step.name)
        elif step.status.value == "retrying":
            LOGGER.info("Step %s did not end well and is begun anew.", step.name)
        elif step.status.value == "cached":
            LOGGER.info("Using cached version of step %s.", step.name)
        elif step.status.value == "completed" and step.start_time and step.end_time:
            seconds = (step.end_time - step.start_time).total_seconds()
            LOGGER.info("Step %s has finished in %.3fs.", step.name, seconds)


def _failure(run: PipelineRunResponse, steps: Sequence[StepRunResponse]) -> ProjectError:
    """The first failed step's error, made anew from its name and text; where it had no time to say one, its pod's."""
    logs = f"kubectl logs --all-namespaces --selector run_id={run.id}"
    undone = [step for step in steps if step.status.value in UNDONE]
    if not undone:
        return ProjectError(f"run {run.name} ended {run.status.value}, and no step says why", logs)
    step = min(undone, key=lambda step: UNDONE.index(step.status.value))
    told = step.exception_info
    if told is None or not told.message:
        pod = ended(str(run.id), step.name, run.created.replace(tzinfo=UTC))
        if pod is None:
            return ProjectError(f"step {step.name} ended without a word: its pod was killed or never started", logs)
        return _said(step, pod.cause, pod.next_step)
    cause, _, next_step = told.message.partition(NEXT)
    name = (told.source or "").rpartition(".")[2]
    ours = getattr(errors, name, None)
    if next_step and isinstance(ours, type) and issubclass(ours, ProjectError):
        return ours(cause, next_step)
    return _said(step, f"{name}: {' '.join(told.message.split())[:300]}", logs)


def _said(step: StepRunResponse, words: str, then: str) -> ProjectError:
    """A step's error by what a library or its pod said: of a store that did not answer as of one that we ask."""
    if known := of_a_store(words):
        return type(known)(f"step {step.name}: {known.cause}", known.next_step)
    return ProjectError(f"step {step.name}: {words}", then)
