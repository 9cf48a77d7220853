"""The public route of one endpoint: show a traffic plan to the gateway, and see for ourselves that it follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from deployers import client
from deployers.client import Address
from deployers.interface import Version
from deployers.kubernetes.cluster import Cluster, Manifest
from deployers.kubernetes.manifests import stable_service
from deployers.kubernetes.route import PRECISION, VARIANT, accepted, http_route
from deployers.kubernetes.target import Target, dashed, workload
from deployers.traffic import Mode
from project.errors import Unreachable
from tabular.bundle import Bundle

POLL = 0.05
FOLLOWING = 20.0
"""Seconds that a gateway has to follow a change of the route."""
SURE = 3
"""Answers in a row that prove that it does."""
SETTLED = 1.0
"""Seconds in which requests end that were sent to a version before it lost its weight."""


@dataclass(slots=True)
class Switch:
    """The route of an endpoint.

    Args:
        cluster: Holds it.
        target: Where.
        name: The endpoint's.
        address: Its public address, with a key.
        held: Raises where another process holds the claim on the endpoint by now: then nothing is written.
    """

    cluster: Cluster
    target: Target
    name: str
    address: Address
    held: Callable[[], None]
    changed: bool = False
    """Whether the route may be another than it was."""

    def show(self, weights: Mapping[Version, float], mode: Mode) -> None:
        """Make the route say this and wait until the gateway has read it.

        What has weight so far and is not named here loses it first: requests that are under way to what leaves the
        route with weight fail.

        Raises:
            Unreachable: The gateway does not follow, with its own reason.
        """
        self.held()
        named = {workload(self.name, version) for version in weights}
        leaving = [each for each, weight in self.routed().items() if weight and each not in named]
        if leaving := [each for each in leaving if self.cluster.get("Service", each)]:
            self._follow(http_route(self.target, self.name, weights, mode, leaving))
            time.sleep(SETTLED)
        self._follow(http_route(self.target, self.name, weights, mode))

    def routed(self) -> dict[str, float]:
        """The Services between which the route draws now, each with its share in percent."""
        route = self.cluster.get("HTTPRoute", dashed(self.name)) or {}
        rules = route.get("spec", {}).get("rules", [])[-1:]  # the last is for who names no version
        drawn = [each for rule in rules for each in rule.get("backendRefs", [])]
        return {str(each["name"]): float(each.get("weight", 1)) / PRECISION for each in drawn}

    def _follow(self, manifest: Manifest) -> None:
        self.changed = True
        route = self.cluster.apply(manifest)
        until = time.monotonic() + FOLLOWING
        while reason := accepted(route):
            if time.monotonic() > until:
                cause = f"the gateway {self.target.gateway} does not follow the route {dashed(self.name)}: {reason}"
                raise Unreachable(cause, "python run.py stack doctor")
            time.sleep(POLL)
            route = self.cluster.get("HTTPRoute", dashed(self.name)) or route

    def prove(self, version: Version, bundle: Bundle) -> None:
        """Ask for this version by name, on the public way, and compare its answer with what its bundle says.

        Raises:
            Refused: It is another answer.
            Unreachable: The gateway does not lead to it.
        """
        named = replace(self.address, headers={**self.address.headers, VARIANT: version.version})
        self._until(named, {version.version}, times=1)
        until = time.monotonic() + FOLLOWING
        while True:
            try:
                client.smoke(named, {version.version: bundle})
            except client.OtherVersion:  # of a gateway's proxies one knows the route before the next
                if time.monotonic() > until:
                    raise
                time.sleep(POLL)
            else:
                return

    def settle(self, weights: Mapping[Version, float]) -> None:
        """Wait until the versions with weight, and no others, answer those who name none.

        Raises:
            Unreachable: Others still do.
        """
        self._until(self.address, {version.version for version, weight in weights.items() if weight}, times=SURE)

    def point(self, champion: Version) -> None:
        """Let the endpoint's own Service, for callers inside the cluster, lead to the champion."""
        self.held()
        self.cluster.apply(stable_service(self.name, champion))

    def _until(self, address: Address, versions: Collection[str], times: int) -> None:
        until, seen = time.monotonic() + FOLLOWING, 0
        while seen < times:
            ready, answer = client.health(address)
            seen = seen + 1 if ready and answer.get("version") in versions else 0
            if time.monotonic() > until:
                said = answer.get("detail") or f"version {answer.get('version')} answers"
                cause = f"{self.target.endpoint_url(self.name)} does not lead to version {', '.join(versions)}: {said}"
                raise Unreachable(
                    cause, f"kubectl --namespace {self.target.namespace} describe httproute {dashed(self.name)}"
                )
            if seen < times:
                time.sleep(POLL)
