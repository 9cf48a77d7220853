"""Step: put the champion behind its endpoint."""

import tempfile
from pathlib import Path
from typing import Annotated

from zenml import step

from deployers import Endpoint, active
from deployers.rollout import RolloutSettings, roll_out
from project.errors import Refused
from tabular.bundle import Bundle, write_bundle
from tracking.names import Artifact
from tracking.versions import champion


@step(enable_cache=False)  # it changes what serves, whose state no cache key holds
def deploy_champion(
    bundle: Bundle, version: str, rollout: RolloutSettings, port: int | None = None
) -> Annotated[Endpoint, Artifact.ENDPOINT]:
    """Let this version take over the endpoint; the old one serves until the new one does.

    Args:
        bundle: The champion's bundle.
        version: Its version.
        rollout: How it takes over.
        port: Local endpoints: a port instead of the configured one.

    Raises:
        Refused: Another version has become the champion since, by a run on another machine, say.
    """
    name = bundle.json("contract.json")["name"]
    now = champion(name)
    if now is not None and now.name != version:
        raise Refused(f"{name} {now.name} has become the champion; {version} was not deployed", "python run.py deploy")
    with tempfile.TemporaryDirectory() as folder:
        write_bundle(bundle, Path(folder))
        return roll_out(active(port), Path(folder), version, rollout)
