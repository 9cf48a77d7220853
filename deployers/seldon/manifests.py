"""An endpoint's SeldonDeployment as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deployers.interface import Version
from deployers.kubernetes.manifests import CONTAINER, TRIED_AGAIN, Source, pod_spec, pulled
from deployers.kubernetes.target import Called, Target, called, dashed, labels, short

Manifest = dict[str, Any]


def version_predictor(target: Target, name: str, version: Version) -> Manifest:
    """One version of an endpoint; its Service is called as `target.workload` says: by endpoint and predictor."""
    return predictor(target, called(name, version), short(version), pulled(target, version))


def predictor(target: Target, of: Called, name: str, source: Source) -> Manifest:
    """Pods that serve one source.

    The number of pods is fixed: with an `hpaSpec` the operator (1.16) and the autoscaler set it against each other.
    """
    return {
        "name": name,
        "replicas": target.replicas,
        # One model is no graph: without the sidecar that would route among its nodes the pod answers itself.
        # The operator hands annotations on to the Service.
        "annotations": {"seldon.io/no-engine": "true", **TRIED_AGAIN},
        "labels": dict(of.labels),
        "graph": {"name": CONTAINER, "type": "MODEL", "endpoint": {"type": "REST"}},
        "componentSpecs": [{"spec": pod_spec(target, source, of.selected)}],
    }


def seldon_deployment(name: str, predictors: Sequence[Manifest]) -> Manifest:
    """The endpoint, from its predictors with their `traffic`."""
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": dashed(name), "labels": dict(labels(name))},
        "spec": {"name": dashed(name), "protocol": "seldon", "transport": "rest", "predictors": list(predictors)},
    }


def with_traffic(predictors: Sequence[Manifest], traffic: Sequence[float]) -> list[Manifest]:
    """Predictors with whole shares that sum to 100, the first taking what rounding leaves; the route is exact."""
    shares = [round(share) for share in traffic]
    shares[0] += 100 - sum(shares)
    return [{**each, "traffic": share} for each, share in zip(predictors, shares, strict=True)]
