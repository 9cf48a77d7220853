"""Make a key for clients and the file by which servers know it, as the Secret `model-keys`; one that is there stays."""

import json
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from serving.keys import SCOPES, new_entry, write_keys

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc/api/v1"


def main() -> None:
    """Create the Secret."""
    key, entry = new_entry("clients", [scope for scope in SCOPES if scope != "admin"], None)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keys.json"
        write_keys(file, [entry])
        values = {"keys.json": file.read_text(encoding="utf-8"), "key": key}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "model-keys"}, "stringData": values}
    headers = {
        "Authorization": f"Bearer {(ACCOUNT / 'token').read_text(encoding='utf-8')}",
        "Content-Type": "application/json",
    }
    url = f"{API}/namespaces/{os.environ['NAMESPACE']}/secrets"
    request = urllib.request.Request(url, json.dumps(secret).encode(), headers)  # noqa: S310  https, see above
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        urllib.request.urlopen(request, timeout=20, context=trusted).close()  # noqa: S310  the same
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.CONFLICT:
            raise


if __name__ == "__main__":
    main()
