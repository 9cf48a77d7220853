"""The shipped stacks with every variable set, and a copy of their files to edit."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from project.paths import STACKS

VARIABLES = {
    "MINIKUBE_ZENML_URL": "http://10.0.0.1:8237",
    "MINIKUBE_S3_URL": "http://10.0.0.1:9000",
    "MINIKUBE_MLFLOW_URL": "http://10.0.0.1:5000",
    "MINIKUBE_ENDPOINT_URL": "http://10.0.0.1:8080",
    "EKS_ZENML_URL": "https://zenml.example",
    "EKS_CONTEXT": "eks",
    "EKS_BUCKET": "bucket",
    "EKS_REGION": "eu-central-1",
    "EKS_REGISTRY": "1.dkr.ecr.eu-central-1.amazonaws.com",
    "EKS_MLFLOW_URL": "https://mlflow.example",
    "EKS_ENDPOINT_URL": "https://models.example",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the stack files."""
    copy = tmp_path / "stacks"
    copy.mkdir()
    for file in STACKS.glob("*.yaml"):
        shutil.copy(file, copy)
    return copy


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], Path]:
    """Replace the first occurrence of a text in a copied file."""

    def replace(file: str, old: str, new: str) -> Path:
        path = folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return folder

    return replace
