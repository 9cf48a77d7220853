"""Live progress of pipelines: one line per step, from ZenML's own messages; everything else only with `--debug`."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
import warnings

STARTED = re.compile(r"Step (\S+) has started")
FINISHED = re.compile(r"Step (\S+) has finished in ([\ddhm.]+)s")  # `12.345s`, and from a minute on `1m12s`
CACHED = re.compile(r"Using cached version of step (\S+?)\.?$")
AGAIN = re.compile(r"Step (\S+) did not end well and is begun anew")
FOLDS = re.compile(r"(\S+): (\d+ of \d+ folds)$")
QUIET = 30.0
"""Seconds after which a line is due where there is no terminal."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m|`")


def quieten() -> None:
    """Set what libraries read when they are imported: no banners, no bars."""
    os.environ.update(
        ZENML_AUTO_OPEN_DASHBOARD="false",
        ZENML_LOGGING_COLORS_DISABLED="true",
        MLFLOW_LOGGING_LEVEL="ERROR",
        TQDM_DISABLE="1",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
        GIT_PYTHON_REFRESH="quiet",
    )


def show_progress(debug: bool) -> None:
    """Replace ZenML's console by ours; its step logs in the store stay as they are."""
    if debug:
        return
    warnings.simplefilter("ignore")
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__name__ == "ZenMLConsoleHandler":
            root.removeHandler(handler)
    root.addHandler(ProgressHandler())
    for name in ("mlflow", "alembic", "great_expectations", "evidently", "matplotlib", "py.warnings"):
        logging.getLogger(name).setLevel(logging.ERROR)


class ProgressHandler(logging.Handler):
    """Turns ZenML's step messages into lines; on a terminal a running step shows until it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._shown = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or nothing."""
        text = COLOUR.sub("", record.getMessage())
        if record.name.startswith("deployers."):
            print(f"    {text}", file=sys.stderr, flush=True)
        elif found := STARTED.search(text):
            self._running(found[1])
        elif record.name == "tabular.scoring" and (found := FOLDS.search(text)):
            self._running(found[1], found[2])
        elif found := FINISHED.search(text):
            took = found[2]
            self._line("✓", found[1], f"{took}s" if "m" in took else f"{float(took):.1f} s")
        elif found := AGAIN.search(text):
            self._line("!", found[1], "again")
        elif found := CACHED.search(text):
            self._line("=", found[1], "cached")

    def _running(self, name: str, note: str = "") -> None:
        """What goes on, in place on a terminal; elsewhere a line now and then, so that a long step is seen to live."""
        line = f"  … {name}" + (f"{note:>{32 - len(name)}}" if note else "")
        if sys.stderr.isatty():
            print(line, end="\r", file=sys.stderr, flush=True)
        elif note and time.monotonic() - self._shown > QUIET:
            print(line, file=sys.stderr, flush=True)
            self._shown = time.monotonic()

    def _line(self, sign: str, name: str, note: str) -> None:
        print(f"  {sign} {name:<24}{note:>8}", file=sys.stderr, flush=True)
        self._shown = time.monotonic()
