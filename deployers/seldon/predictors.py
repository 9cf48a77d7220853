"""The pods of an endpoint's versions as predictors of one SeldonDeployment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from deployers.interface import Version
from deployers.kubernetes.cluster import Cluster, Manifest
from deployers.kubernetes.manifests import disruption_budget
from deployers.kubernetes.target import WORKLOAD, Target, called, dashed, short, workload
from deployers.kubernetes.workloads import prune
from deployers.seldon.manifests import seldon_deployment, version_predictor, with_traffic
from project.errors import Unreachable

KIND = "SeldonDeployment"
FOLLOWING, POLL = 20.0, 0.1
"""Seconds that the operator has to remove what a SeldonDeployment no longer names."""


@dataclass(frozen=True, slots=True)
class Predictors:
    """A SeldonDeployment per endpoint; see `Workloads`."""

    cluster: Cluster
    target: Target
    backend: str = "seldon"

    def add(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.add`."""
        new = {short(version): version_predictor(self.target, name, version) for version in weights}
        self._apply(name, {**self._there(name), **new}, {short(version): share for version, share in weights.items()})
        for version in weights:
            self.cluster.apply(disruption_budget(called(name, version)))

    def keep(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.keep`; returns once the operator has begun to follow, and what it would leave is gone.

        What it has yet to delete would look whole to the next deployment of the same version, and then vanish.

        Raises:
            Unreachable: The operator does not follow.
        """
        shares, there = {short(version): share for version, share in weights.items()}, self._there(name)
        if staying := {of: each for of, each in there.items() if of in shares}:
            self._apply(name, staying, shares)
        prune(self.cluster, name, ("PodDisruptionBudget",), {workload(name, version) for version in weights})
        left = [f"{dashed(name)}-{of}" for of in there if of not in shares]
        until = time.monotonic() + FOLLOWING
        while not all(map(self._removed, left)):
            if time.monotonic() > until:
                cause = f"{' and '.join(left)} are still there after {FOLLOWING:g} s; does the operator run?"
                raise Unreachable(cause, "kubectl get pods --all-namespaces --selector app=seldon")
            time.sleep(POLL)

    def _removed(self, of: str) -> bool:
        """Whether a predictor's Deployment and Service are gone; both go at once when the operator has begun.

        It deletes the Deployment in the foreground, until the last pod has drained, and the Service at some later look,
        at times after `FOLLOWING`. Pods drain as well without a Deployment, and no route names the Service any more.
        """
        there = self.cluster.list("Deployment", {WORKLOAD: of})
        for each in there:
            if "deletionTimestamp" in each["metadata"]:
                self.cluster.delete("Deployment", each["metadata"]["name"])
        return not there and not self.cluster.delete("Service", of)

    def _there(self, name: str) -> dict[str, Manifest]:
        """The predictors as they are: what is not new must not change, or its pods would start anew."""
        there = self.cluster.get(KIND, dashed(name))
        return {each["name"]: each for each in there["spec"]["predictors"]} if there else {}

    def _apply(self, name: str, predictors: Mapping[str, Manifest], shares: Mapping[str, float]) -> None:
        """Write the predictors; those whose share is not said keep theirs, as far as it sums to 100."""
        given = sum(shares.values())
        old = {of: float(each.get("traffic", 0)) for of, each in predictors.items() if of not in shares}
        scale = (100 - given) / sum(old.values()) if sum(old.values()) else 0.0
        traffic = [shares.get(of, old.get(of, 0.0) * scale) for of in predictors]
        self.cluster.apply(seldon_deployment(name, with_traffic(list(predictors.values()), traffic)))
