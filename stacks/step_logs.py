"""What the pods of steps write while they work, for who waits for them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from urllib.parse import quote

from stacks.api_server import ask, connect
from stacks.probes import Failure
from stacks.step_pods import Place


def written(place: Place | None, run: str, steps: Collection[str]) -> dict[str, list[str]]:
    """The lines that the newest pod of each step has written so far.

    Args:
        place: Where the pods are; None where steps are none.
        run: Id of the run.
        steps: Their names in the run.

    Returns:
        By step. Without those that have no pod, or whose pod can not be asked: a run goes on unseen too.
    """
    if place is None or not steps:
        return {}
    context, namespace, _ = place
    pods = f"/api/v1/namespaces/{namespace}/pods"
    found: dict[str, list[str]] = {}
    with suppress(Failure):
        api = connect(context)
        listed = ask(api, context, "GET", f"{pods}?labelSelector={quote(f'run_id={run},step_name')}") or {"items": []}
        for pod in sorted(listed["items"], key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
            step = pod["metadata"]["labels"]["step_name"]
            if step in steps:
                with suppress(Failure):  # it may not have begun
                    text = ask(api, context, "GET", f"{pods}/{pod['metadata']['name']}/log", response_type="str")
                    found[step] = (text or "").splitlines()
    return found
