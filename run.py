"""Entry point: `python run.py --stack local` is the whole journey; `python run.py --help` names the rest."""

from __future__ import annotations

import os
import sys

from project.determinism import PINNED

if __name__ == "__main__":
    os.environ.update(PINNED)  # before numpy is imported: it reads them once
    from cli.main import main

    sys.exit(main(sys.argv[1:]))
