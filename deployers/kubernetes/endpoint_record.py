"""An endpoint's record in the cluster: a ConfigMap, which `endpoint`, `status` and `rollback` read without ZenML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployers.interface import Endpoint
from deployers.kubernetes.cluster import Cluster, Manifest
from deployers.kubernetes.target import OWNER, dashed, endpoint_of, labels
from deployers.record import FORMAT, check_format, endpoint_json, parse_endpoint
from project.errors import ProjectError

KIND = f"{OWNER}/record"
KEY = "endpoint.json"


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """An endpoint, and what its champion had counted when the plan began."""

    endpoint: Endpoint
    baseline: Mapping[str, int] = field(default_factory=dict)
    """Rows that the champion's pods had predicted, by label."""


def write(cluster: Cluster, record: ClusterRecord) -> None:
    """Write the record of an endpoint."""
    name = record.endpoint.name
    value = {"format": FORMAT, **endpoint_json(record.endpoint), "baseline": dict(record.baseline)}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": _name(name), "labels": {**labels(name), KIND: "endpoint"}},
            "data": {KEY: json.dumps(value, indent=1)},
        }
    )


def read(cluster: Cluster, name: str) -> ClusterRecord | None:
    """The record of an endpoint, or None if there is none.

    Raises:
        ProjectError: It is damaged.
    """
    there = cluster.get("ConfigMap", _name(name))
    return _parse(there) if there else None


def names(cluster: Cluster) -> list[str]:
    """The endpoints that have a record, damaged or not."""
    return sorted(map(endpoint_of, cluster.list("ConfigMap", {KIND: "endpoint"})))


def forget(cluster: Cluster, name: str) -> bool:
    """Delete the record; whether there was one."""
    return cluster.delete("ConfigMap", _name(name))


def _name(name: str) -> str:
    return f"{dashed(name)}-endpoint"


def _parse(there: Manifest) -> ClusterRecord:
    try:
        value = json.loads(there["data"][KEY])
        check_format(value)
        return ClusterRecord(parse_endpoint(value), dict(value["baseline"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"the record in ConfigMap {there['metadata']['name']} is damaged: {error!r}",
            f"python run.py down --dataset {endpoint_of(there)}, then deploy",
        ) from None
