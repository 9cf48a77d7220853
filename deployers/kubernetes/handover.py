"""One change of an endpoint, from what answers to what shall: pods, route and record, and the way back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from deployers.history import Change
from deployers.interface import Endpoint, Version
from deployers.kubernetes import credentials, endpoint_record, judging, manifests, pods
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.shares import plain, shares, standing_by
from deployers.kubernetes.switch import SETTLED, Switch
from deployers.kubernetes.target import ENDPOINT, Target, dashed, endpoint_called, workload
from deployers.kubernetes.workloads import PER_VERSION, Workloads
from deployers.traffic import Mode
from project.errors import ProjectError, Refused, Unreachable
from tabular.bundle import Bundle

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handover:
    """A change of one endpoint, under its claim.

    A version is reached by its name before it gets weight, and has lost its weight before it goes.

    Args:
        target: Where the endpoint is.
        cluster: Its API.
        workloads: Makes the pods.
        stack: Name of the stack, for the record.
        name: The endpoint's.
        record: As it is now.
        held: Raises where the claim is another's by now.
    """

    target: Target
    cluster: Cluster = field(repr=False)
    workloads: Workloads = field(repr=False)
    stack: str
    name: str
    record: ClusterRecord | None
    held: Callable[[], None]

    def to(self, change: Change, known: Mapping[str, Bundle] | None = None) -> Endpoint:
        """Make the change's versions answer, and record it; whatever fails, what answered before answers on.

        Args:
            change: What shall answer.
            known: Of a deployment, bundles at hand by digest; the store has the others. Without them what answers
                already is left as it is: a way back must not need what may be what is broken.

        Raises:
            Refused: A version does not become ready, or answers otherwise than its bundle says.
            Unreachable: The cluster, its gateway or the store does not answer.
        """
        name, old = self.name, self.record.endpoint if self.record else None
        mode, wanted = shares(change.current, change.beside, change.plan)
        address = credentials.address(self.cluster, self.target, name)
        switch = Switch(self.cluster, self.target, name, address, self.held)
        before_mode, before = self._answering(switch)
        made = [version for version in wanted if known is not None or version not in before]
        at_hand = known or {}
        found = {each: at_hand.get(each.digest) or self._stored(each) for each in made}
        try:
            self.cluster.apply(manifests.network_policy(self.target, endpoint_called(name)))
            shown = {**dict.fromkeys(wanted, 0.0), **before} if before else wanted
            if made:
                self.workloads.add(name, {version: shown[version] for version in made})
            for version in made:
                pods.wait_ready(self.cluster, workload(name, version), f"{name} {version.version}", self.target.image)
            switch.show(shown, before_mode if before else mode)
            for version, bundle in found.items():
                switch.prove(version, bundle)
            switch.show({**dict.fromkeys(before, 0.0), **wanted}, mode)
            switch.point(change.current)
            switch.settle(wanted)
            serves = found.get(plain(change.current))
            endpoint = Endpoint(
                name=name,
                url=self.target.endpoint_url(name),
                current=change.current,
                previous=tuple(change.versions[1:]),
                backend=self.workloads.backend,
                stack=self.stack or (old.stack if old else ""),
                example=serves.json("serving.json")["example"]["row"] if serves else old.example if old else {},
                beside=change.beside,
                plan=change.plan,
            )
            self.held()
            baseline = judging.baseline(self.cluster, name, self.record, change)
            endpoint_record.write(self.cluster, ClusterRecord(endpoint, baseline))
        except BaseException as error:  # Ctrl-C too
            self._put_back(switch, before_mode, before, error)
            raise
        try:
            self._clear(switch, wanted, mode, {**wanted, **standing_by(old, change)}, set(before) - set(wanted))
        except ProjectError as error:
            LOGGER.warning("%s serves, but what it replaced is still there: %s", name, error)
        return endpoint

    def _stored(self, version: Version) -> Bundle:
        return credentials.store(self.cluster, self.target).get(version.digest)

    def _answering(self, switch: Switch) -> tuple[Mode, dict[Version, float]]:
        """What answers by the record, as far as it is there: no gateway follows a route to what was deleted by hand.

        Where nothing of it is, an earlier version may answer that the route still leads to.
        """
        if self.record is None:
            return Mode.REPLACE, {}
        old = self.record.endpoint
        mode, recorded = shares(old.current, old.beside, old.plan)
        there = {version: share for version, share in recorded.items() if self._is_there(version)}
        if there:
            return mode, there
        routed, earlier = switch.routed(), map(plain, old.previous)
        led_to = {each: routed[at] for each in earlier if (at := workload(self.name, each)) in routed}
        return Mode.REPLACE, {version: share for version, share in led_to.items() if share and self._is_there(version)}

    def _is_there(self, version: Version) -> bool:
        return self.cluster.get("Service", workload(self.name, version)) is not None

    def _clear(
        self,
        switch: Switch,
        wanted: Mapping[Version, float],
        mode: Mode,
        kept: Mapping[Version, float],
        left: set[Version],
    ) -> None:
        """Take out of route and cluster what no longer answers, once it has answered all that it got."""
        if left:
            time.sleep(SETTLED)
        switch.show(wanted, mode)
        self.workloads.keep(self.name, kept)

    def _put_back(self, switch: Switch, mode: Mode, before: Mapping[Version, float], error: BaseException) -> None:
        """Let what answered before answer on, and the record say so: the answer to its change may have been lost.

        Raises:
            Unreachable: The route was changed and can not be changed back; else the failure that brought us here is
                the one to report.
        """
        changed = switch.changed
        try:
            if not self._holds():  # what another has made since is not ours to take away
                return
            if before:
                switch.show(before, mode)
                switch.point(next(iter(before)))  # the champion; its challengers come after it
            if self.record:
                endpoint_record.write(self.cluster, self.record)
            elif changed:
                endpoint_record.forget(self.cluster, self.name)
        except ProjectError as failed:
            if not changed:
                return
            why = error.cause if isinstance(error, ProjectError) else "interrupted"
            cause = f"{self.name}: {why}; and what served before could not be put back: {failed.cause}"
            raise Unreachable(cause, "python run.py status, then python run.py deploy") from error
        try:
            if before:
                self.workloads.keep(self.name, before)
            else:
                remove(self.cluster, self.name)
        except ProjectError as failed:
            LOGGER.warning("%s is as it was, but what was made for the change is still there: %s", self.name, failed)

    def _holds(self) -> bool:
        try:
            self.held()
        except Refused:
            return False
        return True


def remove(cluster: Cluster, name: str) -> bool:
    """Delete all of an endpoint but its record, whichever backend made it; whether there was anything."""
    there = False
    for kind in ("HTTPRoute", "SeldonDeployment", *PER_VERSION, "NetworkPolicy"):
        for each in cluster.list(kind, {ENDPOINT: dashed(name)}):
            there = cluster.delete(kind, each["metadata"]["name"]) or there
    return there
