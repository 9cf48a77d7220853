"""The cluster deployer: pods per version, one route per endpoint, a record; what makes the pods is the backend's."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployers import client, history
from deployers.client import Address
from deployers.history import Change
from deployers.interface import Endpoint, Status, Version, absent
from deployers.kubernetes import endpoint_record, judging, manifests, pods
from deployers.kubernetes.claim import claimed
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.manifests import STABLE_PORT
from deployers.kubernetes.shares import plain, shares, standing_by
from deployers.kubernetes.store import Store
from deployers.kubernetes.switch import SETTLED, Switch
from deployers.kubernetes.target import ENDPOINT, Target, dashed, endpoint_called, workload
from deployers.kubernetes.workloads import Workloads
from deployers.traffic import Mode, TrafficPlan
from project.errors import ConfigError, ProjectError, Unreachable
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
        with claimed(self.cluster, name, f"deploy {name}"):
            record = endpoint_record.read(self.cluster, name)
            change = history.deploying(record.endpoint if record else None, version, found.digest, plan)
            self.store().put(found)
            return self._serve(name, record, change, {found.digest: found})

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
        breaches, requests = judging.judged(self.cluster, record)
        working = pods.at_work(self.cluster, of, *(workload(name, version) for version in endpoint.beside))
        return Status(endpoint, ready, detail, answer.get("version"), (), breaches, requests, working)

    def bundle(self, name: str) -> tuple[Endpoint, Bundle]:
        """An endpoint and the bundle of the version behind it, every byte verified; see `Deployer.status`."""
        endpoint = self._known(name).endpoint
        return endpoint, self.store().get(endpoint.current.digest)

    def predict(self, name: str, row: object) -> dict[str, Any]:
        """The endpoint's answer for one row; see `client.predict`."""
        self._known(name)
        return client.predict(self._address(name), row)

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
        with claimed(self.cluster, name, f"roll {name} back"):
            record = self._known(name)
            return self._serve(name, record, history.rolling_back(record.endpoint, to), {})

    def down(self, name: str) -> bool:
        """See `Deployer.down`; returns once the last pod is gone. Bundles stay in their store."""
        self._named(name)
        with claimed(self.cluster, name, f"take {name} down"):
            there = self._remove(name)
            there = endpoint_record.forget(self.cluster, name) or there
            until = time.monotonic() + LEAVING
            while self.cluster.list("Pod", {ENDPOINT: dashed(name)}):
                if time.monotonic() > until:
                    raise Unreachable(f"pods of {name} are still there after {LEAVING:g} s", "kubectl get pods")
                time.sleep(POLL)
        return there

    def _serve(self, name: str, record: ClusterRecord | None, change: Change, known: Mapping[str, Bundle]) -> Endpoint:
        """Make the change's versions answer, and record it; whatever fails, what answered before answers on.

        A version is reached by its name before it gets weight, and has lost its weight before it goes.

        Args:
            name: The endpoint's.
            record: As it is now.
            change: What shall answer.
            known: Bundles at hand, by digest; the store has the others.
        """
        mode, wanted = shares(change.current, change.beside, change.plan)
        old = record.endpoint if record else None
        before_mode, before = shares(old.current, old.beside, old.plan) if old else (mode, {})
        store = self.store()
        found = {version: known.get(version.digest) or store.get(version.digest) for version in wanted}
        switch = Switch(self.cluster, self.target, name, self._address(name))
        try:
            self.cluster.apply(manifests.network_policy(self.target, endpoint_called(name)))
            shown = {**dict.fromkeys(wanted, 0.0), **before} if before else wanted
            self.workloads.add(name, {version: shown[version] for version in wanted})
            for version in wanted:
                pods.wait_ready(self.cluster, workload(name, version), f"{name} {version.version}")
            switch.show(shown, before_mode)
            for version, bundle in found.items():
                switch.prove(version, bundle)
            switch.show({**dict.fromkeys(before, 0.0), **wanted}, mode)
            switch.point(change.current)
            switch.settle(wanted)
            endpoint = Endpoint(
                name=name,
                url=self.target.endpoint_url(name),
                current=change.current,
                previous=tuple(change.versions[1:]),
                backend=self.workloads.backend,
                stack=self.stack or (old.stack if old else ""),
                example=found[plain(change.current)].json("serving.json")["example"]["row"],
                beside=change.beside,
                plan=change.plan,
            )
            endpoint_record.write(self.cluster, ClusterRecord(endpoint, self._baseline(record, change, name)))
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
        if old is None:
            self._remove(switch.name)
            return
        switch.show(before, mode)
        switch.point(old.current)
        self.workloads.keep(switch.name, before)

    def _remove(self, name: str) -> bool:
        """Delete all of an endpoint but its record."""
        there = False
        for kind in ("HTTPRoute", "Service", "NetworkPolicy"):
            for each in self.cluster.list(kind, {ENDPOINT: dashed(name)}):
                there = self.cluster.delete(kind, each["metadata"]["name"]) or there
        return self.workloads.remove(name) or there

    def _baseline(self, record: ClusterRecord | None, change: Change, name: str) -> Mapping[str, int]:
        """What the champion had predicted when the challengers came."""
        if change.plan is None:
            return {}
        if record is not None and record.endpoint.beside == change.beside:
            return record.baseline
        return judging.counted(self.cluster, name, change.current).labels

    def _address(self, name: str) -> Address:
        key = self._secret(self.target.keys_secret).get("key")
        if key is None:
            cause = f"Secret {self.target.keys_secret} in {self.target.namespace} has no `key` to ask endpoints with"
            raise ConfigError(cause, "make platform-up")
        return Address.of(self.target.endpoint_url(name), {"X-API-Key": key})

    def store(self) -> Store:
        """Where the bundles are."""
        target, credentials = self.target, {}
        if target.s3_secret:
            secret = self._secret(target.s3_secret)
            names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
            credentials = {of.lower(): secret[of] for of in names if of in secret}
        return Store(target.bundles, target.s3_endpoint, target.s3_region, credentials)

    def _secret(self, name: str) -> Mapping[str, str]:
        found = self.cluster.get("Secret", name)
        if found is None:
            raise Unreachable(f"namespace {self.target.namespace} has no Secret {name}", "make platform-up")
        return {key: base64.b64decode(value).decode() for key, value in found.get("data", {}).items()}

    def _named(self, name: str) -> str:
        if not NAME.fullmatch(name):  # what is deleted there must be an endpoint's
            raise ConfigError(f"{name!r} can not name an endpoint: small letters, digits and _", "python run.py status")
        return name

    def _known(self, name: str) -> ClusterRecord:
        record = endpoint_record.read(self.cluster, self._named(name))
        if record is None:
            raise absent(name, self.stack)
        return record
