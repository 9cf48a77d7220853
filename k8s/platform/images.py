"""The images of the servers: built once for each lock, under a tag that is the lock's hash."""

from __future__ import annotations

import os
from hashlib import sha256

from k8s.platform.programs import LONG, run, works
from project.paths import ROOT

TARGETS = {"zenml": "requirements/zenml-server.txt", "mlflow": "requirements/mlflow-server.txt"}
"""Target of the Dockerfile and the lock it installs."""


def name(target: str, registry: str) -> str:
    """The image of a target as this tree would build it."""
    content = b"".join((ROOT / path).read_bytes() for path in ("Dockerfile", TARGETS[target]))
    return f"{registry}/{target}:{sha256(content).hexdigest()[:12]}"


def provide(target: str, registry: str, context: str) -> str:
    """Have an image where the cluster pulls it from, with as little work as that needs.

    Args:
        target: Of the Dockerfile.
        registry: Where the cluster pulls from.
        context: Of the kubeconfig; one of kind's gets the image without a registry.

    Returns:
        What was done.

    Raises:
        ProjectError: Docker or the registry refuses.
    """
    image = name(target, registry)
    kind = context.startswith("kind-")
    if not kind and works("docker", "manifest", "inspect", "--insecure", image):
        return "is in the registry"
    done = "was here"
    if not works("docker", "image", "inspect", image):
        given = [f"--build-arg={key}={os.environ[key]}" for key in ("REGISTRY", "INDEX_URL") if os.environ.get(key)]
        run("docker", "build", "--quiet", "--target", target, *given, "--tag", image, str(ROOT), seconds=LONG)
        done = "built"
    if kind:
        run("kind", "load", "docker-image", "--name", context.removeprefix("kind-"), image, seconds=LONG)
        return f"{done}, loaded"
    run("docker", "push", "--quiet", image, seconds=LONG)
    return f"{done}, pushed"
