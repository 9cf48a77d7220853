"""What ZenML 0.98 does in every process that costs seconds, or a Ctrl-C, and that no run of ours needs."""

from __future__ import annotations

import functools
import importlib.metadata
import signal
from typing import Any

LOCKED = 10.0
"""Seconds that a database file may be held by others."""
_packages_distributions = functools.cache(importlib.metadata.packages_distributions)


def lighten_zenml() -> None:
    """Answer once what ZenML asks often, and leave out an import it makes for materializers that we have no use for.

    For every artifact ZenML asks which package its type comes from, and each answer walks all installed files (0.5 s).
    Before it compiles the first pipeline, it imports scikit-learn for the materializers of its estimators (1.4 s);
    our steps hand over bundles, and a run whose steps are all cached needs no scikit-learn.
    Around each step it turns Ctrl-C into an ordinary exception, which libraries and its own log swallow: the run went
    on, and promoted. Without that, Ctrl-C is Python's own and ends the run.
    """
    from zenml.integrations.sklearn import SklearnIntegration
    from zenml.orchestrators import signal_handler

    importlib.metadata.packages_distributions = _packages_distributions
    signal_handler._SIGNALS = (signal.SIGTERM,)  # type: ignore[assignment]  # noqa: SLF001  there is no setting for it
    SklearnIntegration.activate = classmethod(_nothing)  # type: ignore[assignment, method-assign]


def wait_less() -> None:
    """Give up on a locked database file sooner; for a process whose store is one, since this imports what opens it.

    ZenML waits a minute, at every write anew and deaf to Ctrl-C, which may be what left the file locked.
    """
    from zenml.zen_stores.sql_zen_store import SqlZenStoreConfiguration

    configured = SqlZenStoreConfiguration.get_sqlalchemy_config
    if configured.__module__ == __name__:
        return

    def impatient(store: SqlZenStoreConfiguration, database: str | None = None) -> tuple[Any, dict[str, Any], Any]:
        url, connect, engine = configured(store, database)
        return url, {**connect, "timeout": LOCKED} if "timeout" in connect else connect, engine

    SqlZenStoreConfiguration.get_sqlalchemy_config = impatient  # type: ignore[assignment, method-assign]


def _nothing(_: type) -> None:
    pass
