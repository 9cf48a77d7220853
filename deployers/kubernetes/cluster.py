"""The Kubernetes API as the backends use it: apply, get, list, delete, each with a refusal that a person can act on."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from deployers.kubernetes.target import ENDPOINT, OWNER
from project.errors import ProjectError, Refused, Unreachable, reason

Manifest = dict[str, Any]
TIMEOUT, PROXIED = (3.0, 20.0), (3.0, 5.0)
"""Seconds to connect and to wait for an answer, of the API server itself and of a pod that it asks for us."""
AWAY, POLL = 10.0, 0.5
"""Seconds that an API server which has answered may be away: one that is replaced, or has too many callers.

Less than a claim lasts: what is tried again must not come when it is another's."""
APPLY, JSON = "application/apply-patch+yaml", "application/json"
RESOURCES = {
    "ConfigMap": "api/v1/{}/configmaps",
    "Secret": "api/v1/{}/secrets",
    "Service": "api/v1/{}/services",
    "Pod": "api/v1/{}/pods",
    "Deployment": "apis/apps/v1/{}/deployments",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/{}/horizontalpodautoscalers",
    "PodDisruptionBudget": "apis/policy/v1/{}/poddisruptionbudgets",
    "NetworkPolicy": "apis/networking.k8s.io/v1/{}/networkpolicies",
    "Lease": "apis/coordination.k8s.io/v1/{}/leases",
    "Gateway": "apis/gateway.networking.k8s.io/v1/{}/gateways",
    "HTTPRoute": "apis/gateway.networking.k8s.io/v1/{}/httproutes",
    "SeldonDeployment": "apis/machinelearning.seldon.io/v1/{}/seldondeployments",
}
"""Where the objects of a kind are, with the namespace to come."""


class Missing(Unreachable):
    """The API has no objects of this kind, or the namespace does not exist."""


class Conflict(Refused):
    """Somebody changed the object since we read it, or made it first."""


class Cluster:
    """One namespace of a cluster; connects when it is first asked.

    Args:
        namespace: The namespace of every object.
        context: The kubeconfig's context; None for the current one.
        incluster: Inside a pod use its own account.
    """

    def __init__(self, namespace: str, context: str | None = None, incluster: bool = False) -> None:
        self.namespace, self._context, self._incluster = namespace, context, incluster
        self._client: Any = None
        self._answered = False

    @property
    def inside(self) -> bool:
        """Whether this is a pod of the cluster, which reaches others by their addresses."""
        return self._incluster and "KUBERNETES_SERVICE_HOST" in os.environ

    def get(self, kind: str, name: str) -> Manifest | None:
        """An object, or None if there is none of this name."""
        try:
            found: Manifest = self._call("GET", self._path(kind, name), f"read {kind} {name}")
        except Missing:
            return None
        return found

    def list(self, kind: str, labels: Mapping[str, str]) -> list[Manifest]:
        """The objects of a kind that have all these labels; none where the cluster knows no such kind."""
        query = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        try:
            found: Manifest = self._call("GET", self._path(kind), f"list {kind}s", query=query)
        except Missing:
            return []
        return list(found["items"])

    def apply(self, manifest: Manifest) -> Manifest:
        """Make an object as the manifest says, by server-side apply; fields it does not name stay as they are.

        Raises:
            Refused: There is such an object, and it is not ours.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        there = self.get(kind, name)
        if there is not None and not _ours(there, manifest):
            raise Refused(
                f"{kind} {name} in {self.namespace} exists and is not of this endpoint; it was left as it is",
                f"kubectl --namespace {self.namespace} describe {kind.lower()} {name}",
            )
        query = {"fieldManager": OWNER, "force": "true"}
        applied: Manifest = self._call("PATCH", self._path(kind, name), f"apply {kind} {name}", manifest, query, APPLY)
        return applied

    def create(self, manifest: Manifest) -> Manifest:
        """Make an object that is not there yet.

        Raises:
            Conflict: It is there.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        made: Manifest = self._call("POST", self._path(kind), f"create {kind} {name}", manifest)
        return made

    def replace(self, manifest: Manifest) -> Manifest:
        """Write an object back that was read.

        Raises:
            Conflict: Somebody has written it since.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        made: Manifest = self._call("PUT", self._path(kind, name), f"write {kind} {name}", manifest)
        return made

    def delete(self, kind: str, name: str) -> bool:
        """Delete an object and what belongs to it; whether it was there."""
        try:
            query = {"propagationPolicy": "Background"}
            self._call("DELETE", self._path(kind, name), f"delete {kind} {name}", query=query)
        except Missing:
            return False
        return True

    def text(self, pod: str, path: str, **query: str) -> str:
        """What a pod's subresource says: its log, or an answer of its server that comes by `proxy`."""
        path = f"{self._path('Pod', pod)}/{path}"
        return str(self._call("GET", path, f"read {path.rsplit('/', 1)[-1]} of pod {pod}", query=query, raw=True))

    def _path(self, kind: str, name: str = "") -> str:
        objects = "/" + RESOURCES[kind].format(f"namespaces/{self.namespace}")
        return f"{objects}/{quote(name, safe=':')}" if name else objects

    def _call(
        self,
        method: str,
        path: str,
        doing: str,
        body: Manifest | None = None,
        query: Mapping[str, str] | None = None,
        content: str = JSON,
        raw: bool = False,
    ) -> Any:
        client, until = self._connected(), time.monotonic() + AWAY
        while True:
            try:
                answer = client.call_api(
                    path,
                    method,
                    query_params=list((query or {}).items()),
                    header_params={"Accept": "*/*" if raw else JSON, "Content-Type": content},
                    body=body,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _return_http_data_only=True,
                    _request_timeout=PROXIED if raw else TIMEOUT,
                )
                text = answer.data.decode(errors="replace")
                found = text if raw else json.loads(text)
            except Exception as error:  # noqa: BLE001  the client lets urllib3's and ssl's errors through
                # What answered before is away for a moment, and no change must end halfway for that. Twice is as good
                # as once, but for what is new; a pod that is asked by way of the API may have left.
                again = self._answered and method != "POST" and not raw and _passes(error)
                if not again or time.monotonic() > until:
                    self._answered = self._answered and not again  # one that stayed away is not waited for twice
                    raise self._refusal(error, doing) from None
                time.sleep(POLL)
            else:
                self._answered = True
                return found

    def _refusal(self, error: Exception, doing: str) -> ProjectError:
        status, where = getattr(error, "status", None), f"in namespace {self.namespace}"
        if not status:
            cause = f"the Kubernetes API of {self._context or 'the current context'} does not answer: {reason(error)}"
            return Unreachable(cause, "kubectl get --raw /readyz")
        said = _message(error)
        match status:
            case 404:
                return Missing(f"can not {doing} {where}: {said}", "python run.py stack doctor")
            case 409:
                return Conflict(f"can not {doing} {where}: {said}", "python run.py status")
            case 401 | 403:
                return Unreachable(f"may not {doing} {where}: {said}", "kubectl auth can-i --list")
            case _ if status >= 500 or status == 429:
                return Unreachable(f"can not {doing} {where}: {said}", "kubectl get --raw /readyz")
        return Refused(f"can not {doing} {where}: {said}", "python run.py stack doctor")

    def _connected(self) -> Any:
        if self._client is None:
            library: Any = importlib.import_module("kubernetes")  # it takes a second, and only who calls needs it
            settings = library.client.Configuration()
            try:
                self._configure(library.config, settings)
            except Exception as error:  # noqa: BLE001  so does reading a broken kubeconfig
                cause = f"no Kubernetes context {self._context or 'is current'}: {reason(error)}"
                raise Unreachable(cause, "kubectl config get-contexts") from None
            settings.retries = 1
            self._client = library.client.ApiClient(settings)
        return self._client

    def _configure(self, config: Any, settings: Any) -> None:
        if self._incluster:
            try:
                config.load_incluster_config(client_configuration=settings)
            except config.ConfigException:
                pass
            else:
                return
        config.load_kube_config(context=self._context, client_configuration=settings)


def _ours(there: Manifest, manifest: Manifest) -> bool:
    label = there["metadata"].get("labels", {}).get(ENDPOINT)
    return bool(label == manifest["metadata"]["labels"][ENDPOINT])


def _passes(error: Exception) -> bool:
    """Whether the next try may have more luck: no answer, half of one, or one of a server that is overrun or ends."""
    from urllib3.exceptions import HTTPError

    if status := getattr(error, "status", None):
        return bool(status == 429 or status >= 500)
    return isinstance(error, HTTPError | OSError | ValueError)


def _message(error: Exception) -> str:
    """What the API said, of which the library makes a page."""
    body = getattr(error, "body", None) or b""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(getattr(error, "reason", error))
