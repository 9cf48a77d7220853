"""`python -m serving --directory DIR`: serve the version that DIR/traffic.json names."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from serving.log_options import add_log_options, log_arguments
from serving.supervisor import Supervisor


def main() -> int:
    """Parse the command line and serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the endpoint's folder, with traffic.json")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes (default: %(default)s)")
    add_log_options(parser)
    options = parser.parse_args()
    directory = options.directory.resolve()
    return Supervisor(directory, options.host, options.port, options.workers, log_arguments(options)).run()


if __name__ == "__main__":
    sys.exit(main())
