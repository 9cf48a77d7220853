"""The images of this tree, built once for each content and put where the cluster pulls them from."""

from __future__ import annotations

import os

from k8s.platform.programs import LONG, run
from project.errors import ProjectError, Unreachable
from project.images import CONTENT, image_name
from project.paths import ROOT

TARGETS = tuple(CONTENT)
SILENT = ("connection refused", "no such host", "i/o timeout", "deadline exceeded", "did not end within")
"""What is said of a registry that does not answer; one that does says that it has no such image."""


def provide(target: str, registry: str, context: str, architecture: str = "") -> str:
    """Have an image where the cluster pulls it from, with as little work as that needs.

    Args:
        target: Of the Dockerfile.
        registry: Where the cluster pulls from.
        context: Of the kubeconfig; one of kind's gets the image without a registry.
        architecture: Of the cluster's nodes, as images name it; this machine's own if not given.

    Returns:
        What was done.

    Raises:
        Unreachable: The registry does not answer.
        ProjectError: Docker or the registry refuses.
    """
    image = image_name(target, registry)
    kind = context.startswith("kind-")
    if not kind and _is_there(image):
        return "is in the registry"
    done = "was here"
    if not _is_here(image, architecture):
        # By their names alone, for an address may have a password: docker takes the values from the environment.
        given = [f"--build-arg={key}" for key in ("REGISTRY", "INDEX_URL") if os.environ.get(key)]
        given += [] if architecture in ("", _own()) else [f"--platform=linux/{architecture}"]
        given += ["--build-arg=CORETYPE=ARMV8"] * (architecture == "arm64")
        run("docker", "build", "--quiet", "--target", target, *given, "--tag", image, str(ROOT), seconds=LONG)
        done = "built"
    if kind:
        run("kind", "load", "docker-image", "--name", context.removeprefix("kind-"), image, seconds=LONG)
        return f"{done}, loaded"
    run("docker", "push", "--quiet", image, seconds=LONG)
    return f"{done}, pushed"


def _is_here(image: str, architecture: str) -> bool:
    try:
        found = run("docker", "image", "inspect", "--format", "{{.Architecture}}", image).strip()
    except ProjectError:
        return False
    return found == (architecture or found)


def _own() -> str:
    """The architecture that this machine's engine builds for."""
    return run("docker", "version", "--format", "{{.Server.Arch}}").strip()


def _is_there(image: str) -> bool:
    try:
        run("docker", "manifest", "inspect", "--insecure", image, seconds=15)
    except ProjectError as error:
        if any(word in error.cause for word in SILENT):  # before anything is built for it
            raise Unreachable(
                f"the registry of {image} does not answer: {error.cause}",
                "start it as docs/kubernetes.md says, then the same command again",
            ) from None
        return False
    return True
