"""The images of this tree by name: the tag is a hash over what goes into one, so it is built once for each content."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from project.paths import ROOT

CONTENT = {
    "serving": ["Dockerfile", "requirements/serving.txt", "LICENSE", "serving", "models/heart_disease"],
    "steps": [
        *("Dockerfile", "requirements/steps.txt", "requirements/slim-steps.sh", "project/errors.py"),
        *("deployers/flavors.py", "deployers/settings.py", "deployers/zenml_components.py"),
    ],
    "zenml": ["Dockerfile", "requirements/zenml-server.txt"],
    "mlflow": ["Dockerfile", "requirements/mlflow-server.txt"],
}
"""Target of the Dockerfile to the files and folders of the tree that it copies, and itself."""

BUILDS = "make platform-up builds and pushes the image"
"""What to do where an image is in no registry."""
UNPULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
"""Why Kubernetes lets a container wait for an image that does not come."""


def image_name(target: str, registry: str) -> str:
    """The image of a target as this tree would build it.

    Args:
        target: Of the Dockerfile.
        registry: Where it is pushed to and pulled from, without a slash at its end.
    """
    digest = sha256()
    for path in sorted(file for name in CONTENT[target] for file in _files(ROOT / name)):
        digest.update(f"{path.relative_to(ROOT)} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return f"{registry}/{target}:{digest.hexdigest()[:12]}"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
