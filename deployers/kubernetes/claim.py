"""One change of an endpoint at a time, across machines: a Lease that its holder renews while it lives."""

from __future__ import annotations

import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from deployers.kubernetes.cluster import Cluster, Conflict, Manifest
from deployers.kubernetes.target import dashed, labels
from deployers.record import now
from project.errors import ProjectError, Refused

SECONDS = 15
"""How long a claim lasts that nobody renews: so long others wait for a holder that was killed."""
RENEW, POLL = 2.0, 0.25


@contextmanager
def claimed(cluster: Cluster, name: str, doing: str) -> Iterator[Callable[[], None]]:
    """Hold the endpoint's claim, or say who does.

    Yields:
        To be called before what can not be taken back; refuses where the claim is another's by now, as after a machine
        that slept longer than it lasts.

    Raises:
        Refused: Another process holds it.
    """
    own = secrets.token_hex(3)  # two claims of one process and second are two
    holder = f"process {os.getpid()} on {platform.node()} ({doing}, since {now()}, claim {own})"
    _take(cluster, name, holder, doing)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(cluster, name, holder, ended), daemon=True)
    renewing.start()

    def held() -> None:
        if _held(cluster, name, holder) is None:
            cause = f"can not go on to {doing}: the claim ran out while this process was away, and others may be at it"
            raise Refused(cause, "python run.py status")

    try:
        yield held
    finally:
        ended.set()
        renewing.join()
        with suppress(ProjectError):  # it expires by itself
            if _held(cluster, name, holder):
                cluster.delete("Lease", _lease(name))


def _take(cluster: Cluster, name: str, holder: str, doing: str) -> None:
    """Take the claim once it is free; a holder that renews it lives, and is the reason why not.

    One that has expired is watched for two renewals first: by a clock behind ours a living holder's has, too. By one
    ahead of ours a dead holder's would last for hours: what nobody renewed while it was watched as long as it lasts is
    taken as well.
    """
    first, began, looked = None, 0.0, 0.0
    while True:
        there = cluster.get("Lease", _lease(name))
        try:
            if there is None:
                metadata = {"name": _lease(name), "labels": dict(labels(name))}
                new = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
                cluster.create({**new, "spec": _spec(holder)})
                return
            spec = there["spec"]
            seen = (spec.get("holderIdentity"), spec.get("renewTime"))
            if first not in (None, seen):
                raise Refused(f"can not {doing}: {seen[0]} is at it", "python run.py status, when that is done")
            before, looked = looked, time.monotonic()
            if first is None or looked - before > SECONDS / 3:  # the API was away, for its holder too
                began = looked
            watched = looked - began
            if not seen[0] or watched > SECONDS or (_left(spec) <= 0 and watched > 2 * RENEW):
                cluster.replace({**there, "spec": _spec(holder)})
                return
        except Conflict:
            if _held(cluster, name, holder) is not None:  # the answer to what we wrote was lost
                return
            cause = f"can not {doing}: another process began at the same moment"
            raise Refused(cause, "python run.py status, when that is done") from None
        first = seen
        time.sleep(POLL)


def _renew(cluster: Cluster, name: str, holder: str, ended: threading.Event) -> None:
    while not ended.wait(RENEW):
        with suppress(ProjectError):  # the next try may reach the API in time
            # Read anew: of a write whose answer was lost nobody here has the resource version.
            if (lease := _held(cluster, name, holder)) is not None:
                cluster.replace({**lease, "spec": {**lease["spec"], "renewTime": _moment(time.time())}})


def _held(cluster: Cluster, name: str, holder: str) -> Manifest | None:
    """The claim, if it is this holder's: one that expired may be another's by now."""
    lease = cluster.get("Lease", _lease(name))
    return lease if lease is not None and lease["spec"].get("holderIdentity") == holder else None


def _lease(name: str) -> str:
    return f"{dashed(name)}-endpoint"


def _spec(holder: str) -> Manifest:
    moment = _moment(time.time())
    return {"holderIdentity": holder, "leaseDurationSeconds": SECONDS, "acquireTime": moment, "renewTime": moment}


def _left(spec: Manifest) -> float:
    renewed = datetime.fromisoformat(spec["renewTime"]).timestamp()
    return float(renewed + spec.get("leaseDurationSeconds", SECONDS) - time.time())


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
