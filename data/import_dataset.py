"""Import a data set: fetch the files that its contract names. Another name for `data/download.py`."""

from __future__ import annotations

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("download.py")), run_name="__main__")
