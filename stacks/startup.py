"""What ZenML 0.98 does in every process that costs seconds, or a Ctrl-C, and that no run of ours needs."""

from __future__ import annotations

import functools
import importlib.metadata
import signal
import sqlite3

LOCKED = 10_000
"""Milliseconds that a database file may be held by others."""
_packages_distributions = functools.cache(importlib.metadata.packages_distributions)


def lighten_zenml() -> None:
    """Answer once what ZenML asks often, and leave out an import it makes for materializers that we have no use for.

    For every artifact ZenML asks which package its type comes from, and each answer walks all installed files (0.5 s).
    Before it compiles the first pipeline, it imports scikit-learn for the materializers of its estimators (1.4 s);
    our steps hand over bundles, and a run whose steps are all cached needs no scikit-learn.
    Around each step it turns Ctrl-C into an ordinary exception, which libraries and its own log swallow: the run went
    on, and promoted. Without that, Ctrl-C is Python's own and ends the run.
    It waits a minute for a locked database, at every write anew and deaf to Ctrl-C, which may be what left it locked.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from zenml.integrations.sklearn import SklearnIntegration
    from zenml.orchestrators import signal_handler

    importlib.metadata.packages_distributions = _packages_distributions
    signal_handler._SIGNALS = (signal.SIGTERM,)  # type: ignore[assignment]  # noqa: SLF001  there is no setting for it
    if not event.contains(Engine, "connect", _wait_less):
        event.listen(Engine, "connect", _wait_less)
    SklearnIntegration.activate = classmethod(_nothing)  # type: ignore[assignment, method-assign]


def _nothing(_: type) -> None:
    pass


def _wait_less(connection: object, _: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        (waits,) = connection.execute("PRAGMA busy_timeout").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {min(waits, LOCKED)}")
