"""Ask the API server of a cluster: once, quickly, and its refusals in our words."""

from __future__ import annotations

import importlib
from typing import Any

from project.errors import reason
from stacks.probes import Failure
from stacks.server import TIMEOUT


def connect(context: str | None) -> Any:
    """A client for a context of the kubeconfig, or the current one; nothing has been asked yet.

    Raises:
        Failure: There is no such context.
    """
    from urllib3.util import Retry

    client_library: Any = importlib.import_module("kubernetes")
    loaded = client_library.client.Configuration()
    try:
        client_library.config.load_kube_config(context=context, client_configuration=loaded)
    except Exception as error:  # noqa: BLE001  reading a broken kubeconfig may end in any way
        what = repr(context) if context else "is chosen"
        raise Failure(f"no Kubernetes context {what}: {reason(error)}", "kubectl config get-contexts") from None
    loaded.retries = Retry(0)
    return client_library.client.ApiClient(loaded)


def ask(api: Any, context: str | None, method: str, path: str, body: Any = None, response_type: str = "object") -> Any:
    """What the API server answers; nothing where there is no such thing.

    Args:
        api: What `connect` returned.
        context: The context it is for.
        method: Of HTTP.
        path: With its query.
        body: An object to send.
        response_type: `object` for JSON, `str` for text as it is.

    Raises:
        Failure: It refuses, or does not answer.
    """
    try:
        return api.call_api(
            path,
            method,
            header_params={
                "Accept": "application/json" if response_type == "object" else "*/*",
                "Content-Type": "application/json",
            },
            body=body,
            response_type=response_type,
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _request_timeout=TIMEOUT,
        )
    except Exception as error:  # noqa: BLE001  the client lets urllib3's and ssl's errors through
        status, cluster = getattr(error, "status", None), context or "the current context"
        if status == 404:
            return None
        if status in (401, 403):
            raise Failure(f"{cluster} refuses us ({status})", f"{kubectl(context)} auth can-i --list") from None
        fix = f"{kubectl(context)} get --raw /readyz"
        raise Failure(f"the Kubernetes API of {cluster} does not answer: {reason(error)}", fix) from None


def kubectl(context: str | None) -> str:
    """The words with which a person's kubectl looks there."""
    return f"kubectl --context {context}" if context else "kubectl"
