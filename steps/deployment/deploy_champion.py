"""Step: put the champion behind its endpoint."""

import tempfile
from pathlib import Path
from typing import Annotated

from zenml import step

from deployers import Endpoint, TrafficPlan, active
from tabular.bundle import Bundle, write_bundle
from tracking.names import Artifact


@step(enable_cache=False)  # it changes what serves, whose state no cache key holds
def deploy_champion(bundle: Bundle, version: str, port: int | None = None) -> Annotated[Endpoint, Artifact.ENDPOINT]:
    """Replace the version behind the endpoint once the new one answers; the old one serves until then.

    Args:
        bundle: The champion's bundle.
        version: Its version.
        port: Local endpoints: a port instead of the configured one.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(bundle, Path(folder))
        return active(port).deploy(Path(folder), version, TrafficPlan.replace(version))
