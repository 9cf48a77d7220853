"""Why the pod of a step ended without its step saying so: what the cluster knows, in our words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from project.images import BUILDS, UNPULLED
from stacks.api_server import ask, connect
from stacks.probes import Failure

Object = Mapping[str, Any]
Place = tuple[str | None, str, str]
"""Context of the kubeconfig, namespace, name of the stack."""
AGAIN = "the same command again: steps that ended well come from the cache"
LINGERING = 120.0
"""Seconds in which a pod whose step has failed says why: before that it tries to save its log."""
TAIL = 40
"""Lines of a log that are looked at; a traceback's last ones name the error."""
ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Refused|Unreachable)\b: ")
STOPPED = {
    "EvictionByEvictionAPI": "was evicted, as when a node is emptied",
    "PreemptionByScheduler": "had to make room for a pod of higher priority",
    "DeletionByTaintManager": "had to leave its node, which is not fit any more",
    "DeletionByPodGC": "went with its node",
    "TerminationByKubelet": "was stopped by its node",
}
"""Why Kubernetes itself stops a pod, by the reason of its condition DisruptionTarget."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a pod ended, and what to do about it."""

    cause: str
    next_step: str


def stuck(run: str) -> Ended | None:
    """Why the pod that would begin a run's steps can not begin; see `ended`.

    ZenML looks for this itself only where the command that submits waits in it.
    """
    return next(filter(None, map(waits_in_vain, _pods(run, "!step_name"))), None)


def withdraw(run: str, snapshot: str) -> None:
    """Delete the Job that would begin a run's steps, and the Secret with which it would ask the server.

    ZenML stops those of steps, and this one would begin them late; the Secret goes with a run that ends by itself.

    Args:
        run: Its id.
        snapshot: Id of what it runs, which names the Secret.

    Raises:
        Failure: The cluster does not answer, or does not let us.
    """
    if (where := where_steps_run()) is None:
        return
    context, namespace, _ = where
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs?labelSelector={quote(f'run_id={run},!step_name')}"
    api = connect(context)
    ask(api, context, "DELETE", f"{jobs}&propagationPolicy=Background")
    ask(api, context, "DELETE", f"/api/v1/namespaces/{namespace}/secrets/zenml-token-{snapshot}")


def at_work(run: str) -> bool:
    """Whether a pod of a run's steps has not ended: one that was stopped may be taking back what it had begun."""
    return any(pod.get("status", {}).get("phase") in ("Pending", "Running") for pod in _pods(run, "step_name"))


def _pods(run: str, label: str) -> list[Object]:
    """A run's pods with a label or, with `!`, without; none where steps are no pods or the cluster does not answer."""
    if (where := where_steps_run()) is None:
        return []
    context, namespace, _ = where
    pods = f"/api/v1/namespaces/{namespace}/pods?labelSelector={quote(f'run_id={run},{label}')}"
    try:
        return list((ask(connect(context), context, "GET", pods) or {"items": []})["items"])
    except Failure:
        return []


def waits_in_vain(pod: Object) -> Ended | None:
    """What a pod's container waits for that does not come by itself."""
    for container in pod.get("status", {}).get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting") or {}
        if (why := waiting.get("reason")) in UNPULLED:
            said = _line(waiting.get("message") or why)
            return Ended(f"the image of the steps can not be pulled: {said}", BUILDS)
        if why == "CreateContainerConfigError":
            return Ended(f"its pod can not begin: {_line(waiting.get('message', why))}", "make platform-up")
    return None


def ended(run: str, step: str, since: datetime) -> Ended | None:
    """What the cluster of the active stack knows of a step's pod.

    Args:
        run: Id of the run.
        step: Its name in the run.
        since: When the run began.

    Returns:
        Nothing where the steps of the stack are no pods, the cluster does not answer, or it knows nothing bad.
    """
    if (place := where_steps_run()) is None:
        return None
    context, namespace, stack = place
    where = f"/api/v1/namespaces/{namespace}"
    pods = f"{where}/pods?labelSelector={quote(f'run_id={run},step_name={step}')}"
    events = f"{where}/events?fieldSelector={quote('involvedObject.kind=Pod,type=Warning')}"
    try:
        api, until = connect(context), time.monotonic() + LINGERING
        while True:
            found = (ask(api, context, "GET", pods) or {"items": []})["items"]
            said = never_began((ask(api, context, "GET", events) or {"items": []})["items"], step, since)
            if known := end_of(found, stack) or said:
                return known
            works = any(pod.get("status", {}).get("phase") == "Running" for pod in found)
            if not works or time.monotonic() > until:
                return _last_words(api, context, where, found)
            time.sleep(1)
    except Failure:
        return None


def _last_words(api: Any, context: str | None, where: str, pods: Sequence[Object]) -> Ended | None:
    """What the newest pod wrote last: one that fails before its step begins has nobody else to tell."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True):
        name = pod["metadata"]["name"]
        text = ask(api, context, "GET", f"{where}/pods/{name}/log?tailLines={TAIL}", response_type="str")
        if text and (words := last_error(text)):
            return Ended(f"its pod failed before it began: {words}", AGAIN)
    return None


def last_error(log: str) -> str:
    """The error that a log ends with, in one line; nothing where it ends with none."""
    lines = log.rstrip().splitlines()
    starts = [number for number, line in enumerate(lines) if ERROR.match(line)]
    return _line(" ".join(lines[starts[-1] :])) if starts else ""


def where_steps_run() -> Place | None:
    """Where the active stack's pods are, as ZenML's server knows it; None where its steps are no pods."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    stack = Client().active_stack_model
    (orchestrator,) = stack.components[StackComponentType.ORCHESTRATOR]
    if orchestrator.flavor_name != "kubernetes":
        return None
    given = orchestrator.configuration
    return given.get("kubernetes_context"), given.get("kubernetes_namespace", "zenml"), str(stack.name)


def end_of(pods: Iterable[Object], stack: str) -> Ended | None:
    """What the newest of a step's pods says of its end."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True):
        status = pod.get("status", {})
        for container in status.get("containerStatuses", []):
            terminated = container.get("state", {}).get("terminated") or {}
            if terminated.get("reason") == "OOMKilled":
                return Ended(
                    f"its pod was killed for want of memory: it may have {_memory(pod, container['name'])}",
                    f"raise pod_settings.resources.limits.memory in stacks/{stack}.yaml, then python run.py again",
                )
        if status.get("reason") == "Evicted":
            return Ended(f"its pod was evicted: {_line(status.get('message', 'its node says no more'))}", AGAIN)
        if status.get("reason") == "DeadlineExceeded":
            return Ended(
                "its pod took longer than it may",
                f"raise active_deadline_seconds in stacks/{stack}.yaml, then python run.py again",
            )
        for condition in status.get("conditions", []):
            if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
                why = STOPPED.get(condition.get("reason", ""), "was stopped by the cluster")
                return Ended(f"its pod {why}: {_line(condition.get('message', 'no more is said'))}", AGAIN)
    return None


def never_began(events: Iterable[Object], step: str, since: datetime) -> Ended | None:
    """What was said last of a pod that has gone since: its orchestrator deletes one whose image can not be pulled."""
    named = re.compile(rf"[0-9a-f]{{8}}-{re.escape(re.sub('[^a-z0-9-]+', '-', step.lower()))}-")
    of_step = [event for event in events if named.match(event["involvedObject"]["name"]) and _when(event) >= since]
    for event in sorted(of_step, key=_when, reverse=True):
        said = _line(event.get("message", ""))
        if said.startswith("Failed to pull image"):
            return Ended(f"its pod never began: {said}", BUILDS)
        if event.get("reason") in ("FailedScheduling", "FailedMount", "FailedCreatePodSandBox"):
            return Ended(f"its pod never began: {said}", AGAIN)
    return None


def _memory(pod: Object, container: str) -> str:
    for each in pod["spec"]["containers"]:
        if each["name"] == container:
            return str(each.get("resources", {}).get("limits", {}).get("memory", "what its node has"))
    return "what its node has"


def _when(event: Object) -> datetime:
    found = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(str(found)).astimezone(UTC)


def _line(text: str) -> str:
    return " ".join(str(text).split())[:300].rstrip(". ")
