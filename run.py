"""Entry point: `python run.py --stack local` is the whole journey; `python run.py --help` names the rest."""

from __future__ import annotations

import gc
import os
import sys

from project.determinism import PINNED
from project.interpreter import lacking
from project.proxies import spare_loopback
from project.telemetry import opt_out

if __name__ == "__main__":
    os.environ.update(PINNED)  # before numpy is imported: it reads them once
    opt_out()
    spare_loopback()
    gc.set_threshold(100_000, 20, 20)  # importing makes a million objects that stay: collecting took a sixth of a run
    try:
        from cli.main import main
    except ModuleNotFoundError as error:
        unusable = lacking(error)
        print(f"error: {unusable.cause}\nnext:  {unusable.next_step}", file=sys.stderr)  # noqa: T201  click is missing
        sys.exit(unusable.exit_code)
    code = main(sys.argv[1:])
    gc.freeze()  # the process ends: taking its objects apart one by one took 1.5 s
    sys.exit(code)
