"""The objects behind an endpoint as plain data: pods, what balances, scales, protects and guards them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deployers.interface import Version
from deployers.kubernetes.target import PORT, Called, Target, called, endpoint_called

Manifest = dict[str, Any]
CONTAINER = "model"
STABLE_PORT = 80
"""Of the Service of an endpoint, whatever its champion is."""
DRAIN = 5
"""Seconds in which proxies learn that a pod takes no more, before it is told to stop."""
GRACE = 30
"""Seconds until a pod that was told to stop is killed; its server finishes what it answers in 15."""
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
"""Where gateways are: their X-Forwarded-For says which address a limit counts for."""
INGRESS = "tabular-zenml/ingress"
"""Label of the namespaces whose pods may ask endpoints: the gateway's, and that of what scrapes metrics."""
PLATFORM = "tabular-platform"
BUSY = 70
"""Percent of the requested processor time from which on more pods are started."""
TRIED_AGAIN = {"projectcontour.io/max-retries": "1024"}
"""On a Service: how many of its requests may be tried again at once. Contour leaves Envoy's own limit, 3:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/circuit_breaker.proto; others do not read it."""


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
            {
                "name": "keys",
                "secret": {"secretName": target.keys_secret, "items": [{"key": "keys.json", "path": "keys.json"}]},
            },
        ],
    }


def deployment(target: Target, of: Called, source: Source, replicas: int) -> Manifest:
    """The pods themselves."""
    template = {"metadata": {"labels": dict(of.labels)}, "spec": pod_spec(target, source, of.selected)}
    # A pod leaves when another has taken its place, never before.
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    spec = {"replicas": replicas, "revisionHistoryLimit": 1, "selector": {"matchLabels": dict(of.selected)}}
    return _object("apps/v1", "Deployment", of, {**spec, "strategy": rolling, "template": template})


def service(of: Called, port: int, selected: Mapping[str, str] | None = None) -> Manifest:
    """The address of pods inside the cluster; of others of the same endpoint where they are `selected`."""
    ports = [{"name": "http", "port": port, "targetPort": "http"}]
    made = _object("v1", "Service", of, {"selector": dict(selected or of.selected), "ports": ports})
    return {**made, "metadata": {**made["metadata"], "annotations": dict(TRIED_AGAIN)}}


def stable_service(name: str, champion: Version) -> Manifest:
    """The Service of the endpoint inside the cluster: whatever is the champion."""
    return service(endpoint_called(name), STABLE_PORT, called(name, champion).selected)


def autoscaler(target: Target, of: Called) -> Manifest:
    """More pods while those there are busy."""
    aim = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": BUSY}}
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": of.name}
    spec = {"minReplicas": target.replicas, "maxReplicas": target.most_replicas, "scaleTargetRef": scaled}
    metrics = [{"type": "Resource", "resource": aim}]
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", of, {**spec, "metrics": metrics})


def disruption_budget(of: Called) -> Manifest:
    """Whoever empties a node takes one pod of a version at a time; also its only one, else no node would be emptied."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": dict(of.selected)}}
    return _object("policy/v1", "PodDisruptionBudget", of, spec)


def network_policy(target: Target, of: Called) -> Manifest:
    """Who may talk to pods, and to whom they may."""
    store = urlsplit(target.s3_endpoint or "")
    web = {443, store.port or (80 if store.scheme == "http" else 443)}
    platform = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": PLATFORM}}}
    callers = [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {INGRESS: "true"}}}]
    spec = {
        "podSelector": {"matchLabels": dict(of.selected)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": callers, "ports": [{"port": "http"}]}],
        "egress": [
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": [{"port": port, "protocol": "TCP"} for port in sorted(web)]},
            {"to": [platform]},  # the store in the cluster, on whatever port its pods have
        ],
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", of, spec)


def _object(api: str, kind: str, of: Called, spec: Manifest) -> Manifest:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": of.name, "labels": dict(of.labels)}, "spec": spec}
