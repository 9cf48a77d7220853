"""The pods of an endpoint's versions as predictors of one SeldonDeployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployers.interface import Version
from deployers.kubernetes.cluster import Cluster, Manifest
from deployers.kubernetes.manifests import disruption_budget
from deployers.kubernetes.target import Target, called, dashed, short, workload
from deployers.kubernetes.workloads import prune
from deployers.seldon.manifests import predictor, seldon_deployment, with_traffic

KIND = "SeldonDeployment"


@dataclass(frozen=True, slots=True)
class Predictors:
    """A SeldonDeployment per endpoint; see `Workloads`."""

    cluster: Cluster
    target: Target
    backend: str = "seldon"

    def add(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.add`."""
        new = {short(version): predictor(self.target, name, version) for version in weights}
        self._apply(name, {**self._there(name), **new}, {short(version): share for version, share in weights.items()})
        for version in weights:
            self.cluster.apply(disruption_budget(called(name, version)))

    def keep(self, name: str, weights: Mapping[Version, float]) -> None:
        """See `Workloads.keep`."""
        shares = {short(version): share for version, share in weights.items()}
        self._apply(name, {of: each for of, each in self._there(name).items() if of in shares}, shares)
        prune(self.cluster, name, ("PodDisruptionBudget",), {workload(name, version) for version in weights})

    def remove(self, name: str) -> bool:
        """See `Workloads.remove`."""
        there = prune(self.cluster, name, ("PodDisruptionBudget",), ())
        return self.cluster.delete(KIND, dashed(name)) or there

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
