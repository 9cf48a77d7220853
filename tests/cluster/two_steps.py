"""Run a pipeline of two steps on the cluster's orchestrator: `python -m tests.cluster.two_steps IMAGE`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from typing import Annotated

from zenml import pipeline, step
from zenml.client import Client
from zenml.config import DockerSettings
from zenml.config.retry_config import StepRetryConfig
from zenml.enums import StackComponentType

from cli.follow import followed
from cli.progress import show_progress
from project.errors import ProjectError
from stacks.files import read_stack
from stacks.selection import connected

NAME = "two-steps"
NEEDED = ("orchestrator", "artifact_store", "container_registry", "image_builder")
"""What every run needs, and nothing that this one does without."""


@step
def first(salt: str) -> Annotated[int, "number"]:
    """A value that goes through the artifact store; the salt is part of the cache key."""
    return 20


@step(enable_cache=False)
def second(number: int, seconds: float, gibibytes: int) -> Annotated[int, "sum"]:
    """The value, as another pod reads it, after some time and with some memory."""
    logging.getLogger("deployers.rollout").info("two_steps canary: v1 90 %, v2 10 %")
    held = b"x" * (gibibytes << 30)
    time.sleep(seconds)
    return number + 1 + 0 * len(held)


@pipeline(name=NAME)
def two_steps(salt: str, seconds: float, gibibytes: int) -> None:
    """Two pods, one after the other."""
    second(first(salt), seconds, gibibytes)


def main() -> int:
    """Submit, wait, print what came out, or the error, and exit as the command would."""
    given = argparse.ArgumentParser()
    given.add_argument("image")
    given.add_argument("--salt", default=str(time.time()))
    given.add_argument("--seconds", type=float, default=0.0)
    given.add_argument("--gibibytes", type=int, default=0)
    given.add_argument("--tries", type=int, default=1)
    how = given.parse_args()
    with connected(read_stack("minikube")) as client:
        names = {StackComponentType(kind): "minikube" for kind in NEEDED}
        if NAME not in {each.name for each in client.list_stacks(name=NAME)}:
            client.create_stack(NAME, components=dict(names))
        client.activate_stack(NAME)
    docker = DockerSettings(parent_image=how.image, skip_build=True, allow_download_from_artifact_store=True)
    retry = StepRetryConfig(max_retries=how.tries - 1) if how.tries > 1 else None
    run = two_steps.with_options(settings={"docker": docker}, retry=retry)(how.salt, how.seconds, how.gibibytes)
    assert run is not None
    print("submitted", flush=True)
    show_progress(debug=False)
    try:
        finished = followed(run)
        statuses = " ".join(f"{name}={found.status.value}" for name, found in sorted(finished.steps.items()))
        code, said = 0, f"{statuses} {finished.status} {finished.steps['second'].outputs['sum'][0].load()}"
    except ProjectError as error:
        code, said = int(error.exit_code), f"{type(error).__name__}: {error}"
    finally:
        Client().activate_stack("default")  # an active one can not be deleted
        Client().delete_stack(NAME)  # a part that another stack uses is not changed by `stack apply`
    print(said)
    return code


if __name__ == "__main__":
    sys.exit(main())
