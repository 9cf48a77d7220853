"""The images of this tree, built once for each content and put where the cluster pulls them from."""

from __future__ import annotations

import os

from k8s.platform.programs import LONG, run, works
from project.images import CONTENT, image_name
from project.paths import ROOT

TARGETS = tuple(CONTENT)


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
    image = image_name(target, registry)
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
