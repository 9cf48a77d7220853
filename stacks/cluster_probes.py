"""Try what a stack needs of its cluster and its image registry, quickly and without leaving anything behind."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from functools import partial

from project.errors import reason
from stacks.api_server import ask, connect, kubectl
from stacks.files import Stack
from stacks.probes import Failure, Probe, answers
from stacks.server import TIMEOUT

_ROUTES = ("gateway.networking.k8s.io", "httproutes")
WRITTEN = {
    "tabular_kubernetes": [_ROUTES, ("apps", "deployments")],
    "tabular_seldon": [_ROUTES, ("machinelearning.seldon.io", "seldondeployments")],
}
"""API group and resource of what each deployer writes."""
Right = tuple[str, str, str]
"""Verb, API group, resource."""


def parts_of(stack: Stack) -> dict[str, Probe]:
    """What steps and endpoints need of a cluster beside its namespace."""
    orchestrator, deployer = stack.component("orchestrator"), stack.component("model_deployer")
    if orchestrator is None or orchestrator.flavor != "kubernetes":
        return {}
    configuration = orchestrator.configuration
    context, namespace = configuration.get("kubernetes_context"), configuration.get("kubernetes_namespace", "zenml")
    deploys = deployer is not None and deployer.flavor in WRITTEN
    kinds = WRITTEN[deployer.flavor] if deployer is not None and deploys else []
    needed = {
        "": [("create", "batch", "jobs")],
        configuration.get("service_account_name", ""): [("create", "batch", "jobs"), ("list", "", "pods")],
        configuration.get("step_pod_service_account_name", ""): [("patch", group, kind) for group, kind in kinds],
    }
    parts: dict[str, Probe] = {
        "rights": partial(rights, context, namespace, needed),
        "names": partial(name_server, context),
    }
    if kinds:
        parts["definitions"] = partial(definitions, context, kinds)
    return parts


def kubernetes(context: str | None, namespace: str) -> str:
    """Reach a cluster by its context, or the current one, and see whether the namespace exists.

    Raises:
        Failure: No such context, no answer, or no such namespace.
    """
    cluster = context or "the current context"
    if ask(connect(context), context, "GET", f"/api/v1/namespaces/{namespace}") is None:
        fix = f"{kubectl(context)} create namespace {namespace}"
        raise Failure(f"{cluster} has no namespace {namespace!r}", fix)
    return f"{cluster} has the namespace {namespace}"


def definitions(context: str | None, needed: Sequence[tuple[str, str]]) -> str:
    """See whether the cluster knows the kinds of objects that others define.

    Raises:
        Failure: It does not, or does not answer.
    """
    api = connect(context)
    for group, resource in needed:
        known = ask(api, context, "GET", f"/apis/{group}/v1")
        if known is None or resource not in {each["name"] for each in known["resources"]}:
            raise Failure(
                f"{context} knows no {resource}.{group}", "install its chart: docs/kubernetes.md has the line"
            )
    return f"{context} knows {', '.join(resource for _, resource in needed)}"


def rights(context: str | None, namespace: str, needed: Mapping[str, Sequence[Right]]) -> str:
    """Ask the cluster what each account may do.

    Args:
        context: Of the kubeconfig.
        namespace: Where they do it.
        needed: Rights by service account; the empty name is the one that asks.

    Raises:
        Failure: A right is missing, or the cluster does not answer.
    """
    api = connect(context)
    for account, each in needed.items():
        for verb, group, resource in each:
            what = {"namespace": namespace, "verb": verb, "group": group, "resource": resource}
            user = {"user": f"system:serviceaccount:{namespace}:{account}"} if account else {}
            kind = "SubjectAccessReview" if account else "SelfSubjectAccessReview"
            body = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": kind,
                "spec": {"resourceAttributes": what, **user},
            }
            answer = ask(api, context, "POST", f"/apis/authorization.k8s.io/v1/{kind.lower()}s", body)
            if answer is None or not answer["status"]["allowed"]:
                who = f"the service account {account}" if account else "your own user"
                own = f"have the right granted to the user that `{kubectl(context)} auth whoami` names"
                fix = "make platform-up" if account else own
                raise Failure(f"{who} may not {verb} {resource} in {namespace}", fix)
    return f"{', '.join(account or 'you' for account in needed)} may do what they have to in {namespace}"


def gateway(context: str | None, namespace: str, name: str, url: str, line: str) -> str:
    """See whether the gateway is in service; one without a route may not even listen.

    Args:
        context: Of the kubeconfig.
        namespace: Of the gateway.
        name: Of the gateway.
        url: Under which it is reached.
        line: Where the stack's file has the address.

    Raises:
        Failure: There is none, nobody runs it, or it does not answer.
    """
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/gateways/{name}"
    found = ask(connect(context), context, "GET", path)
    if found is None:
        raise Failure(f"{namespace} has no Gateway {name}", "make platform-up")
    status = found.get("status", {})
    states = {each["type"]: each for each in status.get("conditions", [])}
    programmed = states.get("Programmed", {})
    if programmed.get("status") != "True":
        what = programmed.get("message") or "nobody has taken it"
        chosen = found["spec"]["gatewayClassName"]
        fix = f"install the implementation of the class {chosen}: docs/kubernetes.md has the line"
        raise Failure(f"the Gateway {name} is not in service: {what}", fix)
    if not sum(listener["attachedRoutes"] for listener in status.get("listeners", [])):
        return f"the Gateway {name} is in service and has no route yet"
    return answers(url, f"correct {line}, or publish the gateway there")


def name_server(context: str | None) -> str:
    """See whether the cluster's own name server has a process that is ready.

    Raises:
        Failure: It has none, or the cluster does not answer.
    """
    selector = urllib.parse.quote("kubernetes.io/service-name=kube-dns")
    path = f"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector={selector}"
    slices = ask(connect(context), context, "GET", path) or {"items": []}
    ready = [
        address
        for each in slices["items"]
        for endpoint in each.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready", True)
        for address in endpoint["addresses"]
    ]
    if not ready:
        command = f"{kubectl(context)} --namespace kube-system get pods --selector k8s-app=kube-dns"
        raise Failure("the cluster's name server is not ready: pods find no other by its name", command)
    return f"{len(ready)} name server{'s' * (len(ready) > 1)} ready"


def takes_pushes(scheme: str, uri: str, line: str) -> str:
    """Begin an upload to an image registry and give it up.

    Args:
        scheme: `http` or `https`.
        uri: Of the registry, with the path that images get.
        line: Where the stack's file has it.

    Raises:
        Failure: It does not answer, or takes no uploads.
    """
    host, _, path = uri.partition("/")
    url = f"{scheme}://{host}/v2/{path}{'/' * bool(path)}doctor/blobs/uploads/"
    try:
        request = urllib.request.Request(url, method="POST", data=b"")  # noqa: S310  http or https of the stack's file
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310  the same
            upload = urllib.parse.urljoin(url, answer.headers["Location"])
        abort = urllib.request.Request(upload, method="DELETE")  # noqa: S310  the same
        urllib.request.urlopen(abort, timeout=TIMEOUT).close()  # noqa: S310  the same
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return f"{uri} answers, and asks for docker's login: docker login {host}"
        raise Failure(f"{uri} takes no image ({error.code})", f"start the registry, or correct {line}") from None
    except OSError as error:
        raise Failure(f"{uri} does not answer: {reason(error)}", f"start the registry, or correct {line}") from None
    return f"{uri} takes images"
