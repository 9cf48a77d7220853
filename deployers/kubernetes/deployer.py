"""The cluster deployer: pods per version, one route per endpoint, a record; what makes the pods is the backend's."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deployers import client, history
from deployers.client import Address
from deployers.interface import Endpoint, Status, absent
from deployers.kubernetes import credentials, endpoint_record, judging, pods
from deployers.kubernetes.claim import claimed
from deployers.kubernetes.cluster import Cluster
from deployers.kubernetes.endpoint_record import ClusterRecord
from deployers.kubernetes.handover import Handover, remove
from deployers.kubernetes.manifests import STABLE_PORT
from deployers.kubernetes.store import Store
from deployers.kubernetes.target import ENDPOINT, Target, dashed, workload
from deployers.kubernetes.workloads import Workloads
from deployers.traffic import TrafficPlan
from project.errors import ConfigError, Refused, Unreachable
from project.paths import NAME
from tabular.bundle import Bundle, read_bundle

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
        self._refuse_foreign(endpoint_record.read(self.cluster, self._named(name)))
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
            handover = self._handover(name, record, held)
            change = history.deploying(record.endpoint if record else None, version, found.digest, plan)
            self.store().put(found)
            return handover.to(change, {found.digest: found})

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
            return self._handover(name, record, held).to(history.rolling_back(record.endpoint, to))

    def down(self, name: str) -> bool:
        """See `Deployer.down`; returns once the last pod is gone. Bundles stay in their store."""
        self._named(name)
        with claimed(self.cluster, name, f"take {name} down") as held:
            there = remove(self.cluster, name)
            held()
            there = endpoint_record.forget(self.cluster, name) or there
            until = time.monotonic() + LEAVING
            while self.cluster.list("Pod", {ENDPOINT: dashed(name)}):
                if time.monotonic() > until:
                    raise Unreachable(f"pods of {name} are still there after {LEAVING:g} s", "kubectl get pods")
                time.sleep(POLL)
        return there

    def _handover(self, name: str, record: ClusterRecord | None, held: Callable[[], None]) -> Handover:
        self._refuse_foreign(record)
        return Handover(self.target, self.cluster, self.workloads, self.stack, name, record, held)

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
            raise ConfigError(
                f"{name!r} can not name an endpoint: small letters, digits and _ between", "python run.py status"
            )
        return name

    def _known(self, name: str) -> ClusterRecord:
        record = endpoint_record.read(self.cluster, self._named(name))
        if record is None:
            raise absent(name, self.stack)
        return record
