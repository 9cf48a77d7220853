"""The objects behind an endpoint as plain data: pods, what balances, scales, protects and guards them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deployers.interface import Version
from deployers.kubernetes.target import ENDPOINT, PORT, WORKLOAD, Target, dashed, labels, workload

Manifest = dict[str, Any]
CONTAINER = "model"
DRAIN = 5
"""Seconds in which proxies learn that a pod takes no more, before it is told to stop."""
GRACE = 30
"""Seconds until a pod that was told to stop is killed; its server finishes what it answers in 15."""
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""Where gateways are: their X-Forwarded-For says which address a limit counts for."""
INGRESS = "tabular-zenml/ingress"
"""Label of the namespaces whose pods may ask endpoints: the gateway's, and that of what scrapes metrics."""
PLATFORM = "tabular-platform"


@dataclass(frozen=True, slots=True)
class Source:
    """What a pod serves."""

    arguments: Sequence[str]
    """The server's options that name it."""
    environment: Sequence[Manifest] = ()


def pulled(target: Target, version: Version) -> Source:
    """A bundle from S3, which the server pulls when it starts and takes only if it has this digest."""
    address = f"{target.bundles.rstrip('/')}/{version.digest}"
    arguments = ["--bundle", address, "--digest", version.digest, "--version", version.version]
    settings = {"AWS_ENDPOINT_URL": target.s3_endpoint, "AWS_REGION": target.s3_region}
    environment: list[Manifest] = [{"name": name, "value": value} for name, value in settings.items() if value]
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if target.s3_secret else ()
    secrets = [{"name": key, "valueFrom": {"secretKeyRef": {"name": target.s3_secret, "key": key}}} for key in keys]
    return Source(arguments, [*environment, *secrets])


def container(image: str, source: Source) -> Manifest:
    """The server's container, the same under a Deployment and in a predictor.

    Everything that the restricted Pod Security Standard asks for stands here: Seldon drops it from the pod.
    """

    def asks(path: str, period: int, failures: int, delay: int = 0) -> Manifest:
        probe: Manifest = {"httpGet": {"path": path, "port": "http"}, "periodSeconds": period}
        return {**probe, "timeoutSeconds": 2, "failureThreshold": failures, "initialDelaySeconds": delay}

    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [*source.arguments, "--keys", "/keys/keys.json", "--trusted-proxies", *PRIVATE],
        "env": list(source.environment),
        "ports": [
            {"name": "http", "containerPort": PORT, "protocol": "TCP"},
            # Seldon numbers a port of this name, and `grpc`, by the predictor's place in the list if there is none: the
            # first predictor leaving would restart the second.
            {"name": "grpc", "containerPort": PORT + 1, "protocol": "TCP"},
            {"name": "metrics", "containerPort": PORT + 2, "protocol": "TCP"},
        ],
        "readinessProbe": asks("/health/ready", period=1, failures=2),
        "livenessProbe": asks("/health/live", period=5, failures=6, delay=10),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(DRAIN)]}}},
        # No limit of processor time: a share that is used up would stop a pod in the middle of a request.
        "resources": {"requests": {"cpu": "100m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  of the container
            {"name": "keys", "mountPath": "/keys", "readOnly": True},
        ],
    }


def pod_spec(target: Target, source: Source, selected: Mapping[str, str]) -> Manifest:
    """What a pod of an endpoint is, with the labels by which its siblings are told."""

    def spread(over: str) -> Manifest:
        constraint: Manifest = {"maxSkew": 1, "topologyKey": over, "whenUnsatisfiable": "ScheduleAnyway"}
        return {**constraint, "labelSelector": {"matchLabels": dict(selected)}}

    return {
        "serviceAccountName": target.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service called REDIS or AWS would set variables that the server reads
        "terminationGracePeriodSeconds": GRACE,
        "topologySpreadConstraints": [spread("topology.kubernetes.io/zone"), spread("kubernetes.io/hostname")],
        "containers": [container(target.image, source)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            {"name": "keys", "secret": {"secretName": target.keys_secret, "items": [_item("keys.json")]}},
        ],
    }


def deployment(target: Target, name: str, version: Version, replicas: int) -> Manifest:
    """The pods of one version."""
    own, selected = labels(name, version), {WORKLOAD: workload(name, version)}
    template = {"metadata": {"labels": dict(own)}, "spec": pod_spec(target, pulled(target, version), selected)}
    # A pod leaves when another has taken its place, never before.
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec = {"replicas": replicas, "revisionHistoryLimit": 1, "selector": {"matchLabels": selected}}
    return _object(
        "apps/v1", "Deployment", workload(name, version), own, {**spec, "strategy": rolling, "template": template}
    )


def service(name: str, version: Version) -> Manifest:
    """The Service of one version, which routes name."""
    selected = {WORKLOAD: workload(name, version)}
    ports = [{"name": "http", "port": PORT, "targetPort": "http"}]
    return _object(
        "v1", "Service", workload(name, version), labels(name, version), {"selector": selected, "ports": ports}
    )


def stable_service(name: str, champion: Version) -> Manifest:
    """The Service of the endpoint inside the cluster: whatever is the champion."""
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    spec = {"selector": {ENDPOINT: dashed(name), WORKLOAD: workload(name, champion)}, "ports": ports}
    return _object("v1", "Service", dashed(name), labels(name), spec)


def autoscaler(target: Target, name: str, version: Version) -> Manifest:
    """More pods while those there are busy."""
    busy = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload(name, version)}
    spec = {"minReplicas": target.replicas, "maxReplicas": target.most_replicas, "scaleTargetRef": scaled}
    own = labels(name, version)
    return _object(
        "autoscaling/v2", "HorizontalPodAutoscaler", workload(name, version), own, {**spec, "metrics": [busy]}
    )


def disruption_budget(name: str, version: Version) -> Manifest:
    """Whoever empties a node takes one pod of a version at a time; also its only one, else no node would be emptied."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {WORKLOAD: workload(name, version)}}}
    return _object("policy/v1", "PodDisruptionBudget", workload(name, version), labels(name, version), spec)


def network_policy(target: Target, name: str) -> Manifest:
    """Who may talk to an endpoint's pods, and to whom they may."""
    web = {443, urlsplit(target.s3_endpoint).port or 443} if target.s3_endpoint else {443}
    platform = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PLATFORM}}}
    callers = [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {INGRESS: "true"}}}]
    spec = {
        "podSelector": {"matchLabels": {ENDPOINT: dashed(name)}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": callers, "ports": [{"port": "http"}]}],
        "egress": [
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": [{"port": port, "protocol": "TCP"} for port in sorted(web)]},
            {"to": [platform]},  # the store in the cluster, on whatever port its pods have
        ],
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", dashed(name), labels(name), spec)


def _item(key: str) -> Manifest:
    return {"key": key, "path": key}


def _object(api: str, kind: str, name: str, own: Mapping[str, str], spec: Manifest) -> Manifest:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": dict(own)}, "spec": spec}
