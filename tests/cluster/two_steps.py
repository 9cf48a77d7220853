"""Run a pipeline of two steps on the cluster's orchestrator: `python -m tests.cluster.two_steps IMAGE`."""

from __future__ import annotations

import sys
from typing import Annotated

from zenml import pipeline, step
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.enums import StackComponentType

from cli.follow import followed
from stacks.files import read_stack
from stacks.selection import connected

NAME = "two-steps"
NEEDED = ("orchestrator", "artifact_store", "container_registry", "image_builder")
"""What every run needs, and nothing that this one does without."""


@step(enable_cache=False)
def first() -> Annotated[int, "number"]:
    """A value that goes through the artifact store."""
    return 20


@step(enable_cache=False)
def second(number: int) -> Annotated[int, "sum"]:
    """The value, as another pod reads it."""
    return number + 1


@pipeline(name=NAME)
def two_steps() -> None:
    """Two pods, one after the other."""
    second(first())


def main(image: str) -> int:
    """Submit, wait, print what came out."""
    with connected(read_stack("minikube")) as client:
        names = {StackComponentType(kind): "minikube" for kind in NEEDED}
        if NAME not in {each.name for each in client.list_stacks(name=NAME)}:
            client.create_stack(NAME, components=dict(names))
        client.activate_stack(NAME)
    docker = DockerSettings(parent_image=image, skip_build=True, allow_download_from_artifact_store=True)
    run = two_steps.with_options(settings={"docker": docker}, enable_cache=False)()
    assert run is not None
    finished = followed(run)
    print(finished.status, finished.steps["second"].outputs["sum"][0].load())
    Client().delete_stack(NAME)  # a part that another stack uses is not changed by `stack apply`
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
