"""Deployers: put a bundle behind a stable URL, say what serves there, go back, take it down.

One interface, one package per backend, and thin ZenML flavors over them. Importing this package imports
neither ZenML nor a backend.
"""

from __future__ import annotations

from deployers.interface import Deployer, Endpoint, Status, Version
from deployers.traffic import Mode, TrafficPlan

__all__ = ["Deployer", "Endpoint", "Mode", "Status", "TrafficPlan", "Version", "active"]


def active(port: int | None = None) -> Deployer:
    """The backend of the active stack's model deployer.

    Args:
        port: Local endpoints, for this run: the port instead of the configured one.

    Raises:
        ConfigError: The active stack has no model deployer of ours, or one whose backend this version lacks.
    """
    from deployers.backends import backend
    from deployers.flavors import active_component

    stack, flavor, configuration = active_component()
    return backend(flavor, configuration, stack, port)
