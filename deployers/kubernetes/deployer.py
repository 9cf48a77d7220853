"""The cluster deployer: pods per version, one route per endpoint, a record; what makes the pods is the backend's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployers import client, history
from deployers.client import Address
from deployers.history import Change
from deployers.interface import Endpoint, Status, Version, absent
from deployers.kubernetes import credentials, endpoint_record, judging, manifests, pods
from deployers.kubernetes.claim import claimed
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.manifests import STABLE_PORT
from deployers.kubernetes.shares import plain, shares, standing_by
from deployers.kubernetes.store import Store
from deployers.kubernetes.switch import SETTLED, Switch
from deployers.kubernetes.target import ENDPOINT, Target, dashed, endpoint_called, workload
from deployers.kubernetes.workloads import PER_VERSION, Workloads
from deployers.traffic import Mode, TrafficPlan
from project.errors import ConfigError, ProjectError, Refused, Unreachable
from project.paths import NAME
from tabular.bundle import Bundle, read_bundle

LOGGER = logging.getLogger(__name__)
POLL = 0.2
LEAVING = 60.0
"""Seconds that pods have to be gone."""


@dataclass(frozen=True, slots=True)
class ClusterDeployer:
    """Serves endpoints from a namespace of a cluster.

    Args:
        target: Which, and with what.
        cluster: Its API.
        workloads: Makes the pods.
        stack: Name of the stack, for the record.
    """

    target: Target
    cluster: Cluster = field(repr=False, compare=False)
    workloads: Workloads = field(repr=False, compare=False)
    stack: str = ""

    def check(self, name: str) -> None:
        """See `Deployer.check`; the gateway and the Secrets that pods need must be there."""
        self._named(name)
        needed = [("Gateway", self.target.gateway), ("Secret", self.target.keys_secret)]
        needed += [("Secret", self.target.s3_secret)] if self.target.s3_secret else []
        for kind, of in needed:
            if self.cluster.get(kind, of) is None:
                raise Unreachable(f"namespace {self.target.namespace} has no {kind} {of}", "make platform-up")

    def deploy(self, bundle: Path, version: str, plan: TrafficPlan) -> Endpoint:
        """See `Deployer.deploy`; renders every mode."""
        found = read_bundle(bundle)
        name = self._named(str(found.json("contract.json")["name"]))
        with claimed(self.cluster, name, f"deploy {name}") as held:
            record = endpoint_record.read(self.cluster, name)
            self._refuse_foreign(record)
            change = history.deploying(record.endpoint if record else None, version, found.digest, plan)
            self.store().put(found)
            return self._serve(name, record, change, held, {found.digest: found})

    def endpoints(self) -> list[str]:
        """See `Deployer.endpoints`."""
        return endpoint_record.names(self.cluster)

    def status(self, name: str) -> Status:
        """See `Deployer.status`."""
        record = self._known(name)
        endpoint, of = record.endpoint, workload(name, record.endpoint.current)
        ready, answer = client.health(Address.of(self.target.endpoint_url(name), {}))  # which needs no key
        detail = ""
        if not ready:
            reasons = [reason for _, reason in pods.reasons(self.cluster, of)]
            detail = "; ".join([str(answer.get("detail") or "the gateway has no answer"), *reasons])
        breaches, requests, unjudged = judging.judged(self.cluster, record)
        working = pods.at_work(self.cluster, of, *(workload(name, version) for version in endpoint.beside))
        return Status(endpoint, ready, detail, answer.get("version"), (), breaches, requests, working, unjudged)

    def bundle(self, name: str) -> tuple[Endpoint, Bundle]:
        """An endpoint and the bundle of the version behind it, every byte verified; see `Deployer.status`."""
        endpoint = self._known(name).endpoint
        return endpoint, self.store().get(endpoint.current.digest)

    def predict(self, name: str, row: object) -> dict[str, Any]:
        """The endpoint's answer for one row; see `client.predict`."""
        self._known(name)
        return client.predict(credentials.address(self.cluster, self.target, name), row)

    def key_command(self) -> str | None:
        """See `Deployer.key_command`."""
        secret = f"get secret {self.target.keys_secret} --output jsonpath={{.data.key}}"
        return f"{self.target.kubectl} {secret} | base64 --decode"

    def forward_command(self, name: str, port: int) -> str | None:
        """See `Deployer.forward_command`; past the gateway, to a pod of the champion."""
        return f"{self.target.kubectl} port-forward service/{dashed(name)} {port}:{STABLE_PORT}"

    def rollback(self, name: str, to: str | None = None) -> Endpoint:
        """See `Deployer.rollback`."""
        self._known(name)
        with claimed(self.cluster, name, f"roll {name} back") as held:
            record = self._known(name)
            self._refuse_foreign(record)
            return self._serve(name, record, history.rolling_back(record.endpoint, to), held)

    def down(self, name: str) -> bool:
        """See `Deployer.down`; returns once the last pod is gone. Bundles stay in their store."""
        self._named(name)
        with claimed(self.cluster, name, f"take {name} down") as held:
            there = self._remove(name)
            held()
            there = endpoint_record.forget(self.cluster, name) or there
            until = time.monotonic() + LEAVING
            while self.cluster.list("Pod", {ENDPOINT: dashed(name)}):
                if time.monotonic() > until:
                    raise Unreachable(f"pods of {name} are still there after {LEAVING:g} s", "kubectl get pods")
                time.sleep(POLL)
        return there

    def _serve(
        self,
        name: str,
        record: ClusterRecord | None,
        change: Change,
        held: Callable[[], None],
        known: Mapping[str, Bundle] | None = None,
    ) -> Endpoint:
        """Make the change's versions answer, and record it; whatever fails, what answered before answers on.

        A version is reached by its name before it gets weight, and has lost its weight before it goes.

        Args:
            name: The endpoint's.
            record: As it is now.
            change: What shall answer.
            held: Raises where the claim is another's by now.
            known: Of a deployment, bundles at hand by digest; the store has the others. Without them what answers
                already is left as it is: a way back must not need what may be what is broken.
        """
        mode, wanted = shares(change.current, change.beside, change.plan)
        old = record.endpoint if record else None
        before_mode, recorded = shares(old.current, old.beside, old.plan) if old else (mode, {})
        # Of what somebody deleted by hand the record does not know, and no gateway follows a route to it.
        before = {each: share for each, share in recorded.items() if self.cluster.get("Service", workload(name, each))}
        made = [version for version in wanted if known is not None or version not in before]
        found = {version: (known or {}).get(version.digest) or self.store().get(version.digest) for version in made}
        switch = Switch(self.cluster, self.target, name, credentials.address(self.cluster, self.target, name), held)
        try:
            self.cluster.apply(manifests.network_policy(self.target, endpoint_called(name)))
            shown = {**dict.fromkeys(wanted, 0.0), **before} if before else wanted
            if made:
                self.workloads.add(name, {version: shown[version] for version in made})
            for version in made:
                pods.wait_ready(self.cluster, workload(name, version), f"{name} {version.version}", self.target.image)
            switch.show(shown, before_mode)
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
            held()
            baseline = judging.baseline(self.cluster, name, record, change)
            endpoint_record.write(self.cluster, ClusterRecord(endpoint, baseline))
        except BaseException:  # Ctrl-C too
            with suppress(ProjectError):  # the failure that brought us here is the one to report
                self._restore(switch, old, before, before_mode)
            raise
        try:
            self._clear(switch, wanted, mode, {**wanted, **standing_by(old, change)}, set(before) - set(wanted))
        except ProjectError as error:
            LOGGER.warning("%s serves, but what it replaced is still there: %s", name, error)
        return endpoint

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
        self.workloads.keep(switch.name, kept)

    def _restore(self, switch: Switch, old: Endpoint | None, before: Mapping[Version, float], mode: Mode) -> None:
        switch.held()  # what another has made since is not ours to take away
        if old is None or not before:
            self._remove(switch.name)
            return
        switch.show(before, mode)
        switch.point(old.current)
        self.workloads.keep(switch.name, before)

    def _remove(self, name: str) -> bool:
        """Delete all of an endpoint but its record, whichever backend made it."""
        there = False
        for kind in ("HTTPRoute", "SeldonDeployment", *PER_VERSION, "NetworkPolicy"):
            for each in self.cluster.list(kind, {ENDPOINT: dashed(name)}):
                there = self.cluster.delete(kind, each["metadata"]["name"]) or there
        return there

    def store(self) -> Store:
        """Where the bundles are."""
        return credentials.store(self.cluster, self.target)

    def _refuse_foreign(self, record: ClusterRecord | None) -> None:
        """Raise Refused where the other backend's pods serve: this one would neither change nor remove them."""
        there = record.endpoint if record else None
        if there and there.backend != self.workloads.backend:
            mine = self.workloads.backend
            cause = f"{there.name} is served by the deployer tabular_{there.backend}, and this one is tabular_{mine}"
            raise Refused(cause, f"python run.py down --dataset {there.name}, then the same command again")

    def _named(self, name: str) -> str:
        if not NAME.fullmatch(name):  # what is deleted there must be an endpoint's
            raise ConfigError(f"{name!r} can not name an endpoint: small letters, digits and _", "python run.py status")
        return name

    def _known(self, name: str) -> ClusterRecord:
        record = endpoint_record.read(self.cluster, self._named(name))
        if record is None:
            raise absent(name, self.stack)
        return record
