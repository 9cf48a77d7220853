"""`python -m serving.health --directory DIR`: whether the server of this folder takes traffic; for `HEALTHCHECK`.

It finds port and scheme in what the supervisor wrote, so a container that listens elsewhere is asked there.
"""

from __future__ import annotations

import argparse
import json
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path

from serving.folder import SERVER

SECONDS = 3.0
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  what to ask, not what to listen on


def main() -> int:
    """Ask `/health/ready`; the exit code is 0, or 1 with the reason in one line."""
    parser = argparse.ArgumentParser(prog="python -m serving.health", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the endpoint's folder")
    options = parser.parse_args()
    try:
        server = json.loads((options.directory / SERVER).read_bytes())
        status, said = _ask(ANY.get(server["host"], server["host"]), server["port"], server["tls"])
    except (OSError, HTTPException) as error:
        status, said = 0, str(error)
    sys.stdout.write(f"{said}\n")
    return int(status != 200)


def _ask(host: str, port: int, tls: bool) -> tuple[int, str]:
    connection = _over_tls(host, port) if tls else HTTPConnection(host, port, timeout=SECONDS)
    connection.request("GET", "/health/ready")
    response = connection.getresponse()
    return response.status, response.read().decode()


def _over_tls(host: str, port: int) -> HTTPSConnection:
    import ssl

    context = ssl.create_default_context()
    # The certificate is for the name that clients use; here the server asks itself.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection(host, port, timeout=SECONDS, context=context)


if __name__ == "__main__":
    sys.exit(main())
