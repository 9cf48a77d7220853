"""A traffic plan as an HTTPRoute of the Gateway API."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deployers.interface import Version
from deployers.kubernetes.target import PORT, Target, dashed, labels, workload
from deployers.traffic import WHOLE, Mode

VARIANT = "X-Variant"
"""Names the version that answers: a request's to choose it, in an A/B test an answer's so that the client can."""
PRECISION = 100
"""Parts of a percent that a weight keeps."""
ELSEWHERE = {"x-envoy-retry-on": "connect-failure", "x-envoy-max-retries": "8"}
"""A request that no pod has taken, since the one drawn was killed and the gateway does not know yet, goes to another;
what a pod may have begun does not. The Gateway API's own `retry` is experimental, and Contour has none; Envoy, behind
it and others, reads these headers and hands them no further. Each try draws anew, so with two pods one request in 512
meets the dead one nine times running. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on"""

Manifest = dict[str, Any]


def http_route(
    target: Target, name: str, weights: Mapping[Version, float], mode: Mode, leaving: Collection[str] = ()
) -> Manifest:
    """The route of an endpoint.

    A request that names a version in `X-Variant` gets it, so that what has no weight yet can be looked at through the
    public address; every other is drawn by weight.

    Args:
        target: Where the endpoint lives.
        name: The endpoint's.
        weights: Share of the answers in percent, of every version that has pods.
        mode: In an A/B test answers say which version gave them; the versions without weight get copies for a shadow.
        leaving: Services that are to have no weight any more, before they leave the route.
    """
    prefix = {"path": {"type": "PathPrefix", "value": f"/seldon/{target.namespace}/{dashed(name)}/"}}
    # The server's own paths begin at the root.
    root = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
    again = {"set": [{"name": header, "value": value} for header, value in ELSEWHERE.items()]}
    own = [root, {"type": "RequestHeaderModifier", "requestHeaderModifier": again}]
    rules: list[Manifest] = []
    if len(weights) > 1:
        for version in weights:
            named = {"headers": [{"type": "Exact", "name": VARIANT, "value": version.version}]}
            alone = [_backend(name, version, WHOLE, mode)]
            rules.append({"matches": [{**prefix, **named}], "filters": own, "backendRefs": alone})
    shadows = [version for version, weight in weights.items() if not weight] if mode is Mode.SHADOW else []
    copies = [{"type": "RequestMirror", "requestMirror": {"backendRef": _reference(name, each)}} for each in shadows]
    drawn = [_backend(name, each, weight, mode) for each, weight in weights.items() if each not in shadows]
    drawn += [{"name": each, "port": PORT, "weight": 0} for each in leaving]
    rules.append({"matches": [prefix], "filters": [*own, *copies], "backendRefs": drawn})
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": dashed(name), "labels": dict(labels(name))},
        "spec": {"parentRefs": [{"name": target.gateway}], "rules": rules},
    }


def _backend(name: str, version: Version, weight: float, mode: Mode) -> Manifest:
    backend = {**_reference(name, version), "weight": round(weight * PRECISION)}
    if mode is not Mode.AB:
        return backend
    says = {"set": [{"name": VARIANT, "value": version.version}]}
    return {**backend, "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": says}]}


def _reference(name: str, version: Version) -> Manifest:
    return {"name": workload(name, version), "port": PORT}


def accepted(route: Manifest) -> str:
    """Why the gateway does not follow the route as it now is; nothing once it does."""
    parents: Sequence[Manifest] = route.get("status", {}).get("parents", [])
    if not parents:
        return "no gateway has looked at it"
    for condition in (condition for parent in parents for condition in parent["conditions"]):
        if condition.get("observedGeneration", 0) < route["metadata"]["generation"]:
            return "the gateway has not looked at its last change"
        if condition["type"] in ("Accepted", "ResolvedRefs") and condition["status"] != "True":
            return str(condition["message"])
    return ""
