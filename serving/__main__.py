"""`python -m serving --directory DIR`: serve what DIR/traffic.json or --bundle names."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from serving.access_options import access_arguments, add_access_options, complaint
from serving.folder import WORKERS, hold
from serving.keys import SCOPES, new_entry, write_keys
from serving.log_options import add_log_options, log_arguments, log_complaint
from serving.manifest import BundleRefused, BundleUnreachable
from serving.option_types import number
from serving.source import add_source_options, direct_all_traffic, source_complaint
from serving.supervisor import Supervisor
from serving.tls import add_tls_options, tls_arguments, tls_of

PORT = number(int, "port", "a number from 1 to 65535, or 0 for a free one", 0, 65535)
WORKER_COUNT = number(int, "number of workers", "a whole number, at least 1", 1)
EXIT_CODES = {BundleRefused: 3, BundleUnreachable: 4}
"""Those of the project's commands; 1 for what the disk refuses, and for a folder that another server has."""


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the endpoint's folder: traffic.json, logs")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=PORT, default=8000, help="TCP port (default: %(default)s)")
    parser.add_argument("--grpc-port", type=PORT, help="TCP port of the Open Inference protocol over gRPC (none)")
    parser.add_argument("--workers", type=WORKER_COUNT, default=1, help="worker processes (default: %(default)s)")
    add_source_options(parser)
    add_log_options(parser)
    add_access_options(parser)
    add_tls_options(parser)
    options = parser.parse_args()
    options.directory = options.directory.resolve()
    problem = source_complaint(options) or log_complaint(options) or complaint(options)
    if options.port and options.port == options.grpc_port:
        problem = problem or "--port and --grpc-port are two ports"
    try:
        tls_of(options)
    except ValueError as error:
        problem = problem or str(error)
    if problem:
        parser.error(problem)
    # The first process of a container gets no signal that it has no handler for.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    try:
        options.directory.mkdir(parents=True, exist_ok=True)
        hold(options.directory)
        (options.directory / WORKERS).mkdir(exist_ok=True)
        if options.bundle:
            direct_all_traffic(options)
        if not (options.open or options.keys or options.jwks):
            options.keys = _one_time_key(options.directory)
    except (BundleRefused, BundleUnreachable, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_CODES.get(type(error), 1)
    arguments = [*log_arguments(options), *access_arguments(options), *tls_arguments(options)]
    tls, where = bool(options.tls_certificate), (options.host, options.port)
    return Supervisor(options.directory, *where, options.workers, arguments, options.grpc_port, tls).run()


def _one_time_key(directory: Path) -> Path:
    """Make a key for this start, print it, and give the file with its hash."""
    key, entry = new_entry("one-time", list(SCOPES), None)
    path = directory / "one-time-key.json"
    write_keys(path, [entry])
    sys.stderr.write(f"no keys were given; for this start send  X-API-Key: {key}\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
