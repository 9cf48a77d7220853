"""`python -m serving --directory DIR`: serve the version that DIR/traffic.json names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from serving.access_options import access_arguments, add_access_options, complaint
from serving.keys import SCOPES, new_entry, write_keys
from serving.log_options import add_log_options, log_arguments
from serving.supervisor import Supervisor
from serving.tls import add_tls_options, tls_arguments, tls_of


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the endpoint's folder, with traffic.json")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port (default: %(default)s)")
    parser.add_argument("--grpc-port", type=int, help="TCP port of the Open Inference protocol over gRPC (none)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: %(default)s)")
    add_log_options(parser)
    add_access_options(parser)
    add_tls_options(parser)
    options = parser.parse_args()
    options.directory = options.directory.resolve()
    problem = complaint(options) or ("" if options.workers >= 1 else "--workers is at least 1")
    try:
        tls_of(options)
    except ValueError as error:
        problem = problem or str(error)
    if problem:
        parser.error(problem)
    if not (options.open or options.keys or options.jwks):
        options.keys = _one_time_key(options.directory)
    arguments = [*log_arguments(options), *access_arguments(options), *tls_arguments(options)]
    return Supervisor(
        options.directory, options.host, options.port, options.workers, arguments, options.grpc_port
    ).run()


def _one_time_key(directory: Path) -> Path:
    """Make a key for this start, print it, and give the file with its hash."""
    key, entry = new_entry("one-time", list(SCOPES), None)
    path = directory / "one-time-key.json"
    write_keys(path, [entry])
    sys.stdout.write(f"no keys were given; for this start send  X-API-Key: {key}\n")
    sys.stdout.flush()
    return path


if __name__ == "__main__":
    sys.exit(main())
