"""The image of the server: small, with nothing in it that it does not need, and content with any user."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.docker.engine import CONTAINED, any_user, docker, inspected

pytestmark = pytest.mark.docker

MOST = 200_000_000
"""Bytes of our layers, on top of the base image."""
LOOK = """
import importlib.metadata as metadata, json, os, pathlib
roots = [pathlib.Path(root) for root in ("/app", "/bundle", "/opt", "/tmp", "/root", "/home", "/var/cache", "/mlflow")]
paths = [path for root in roots if root.exists() and os.access(root, os.R_OK | os.X_OK) for path in root.rglob("*")]
tops = [top for top in pathlib.Path("/").iterdir() if top.name not in ("proc", "sys", "dev")]
print(json.dumps({
    "pickles": [str(path) for top in tops for path in top.rglob("*.p*k*") if path.suffix in (".pkl", ".pickle")],
    "packages": [each.name.lower() for each in metadata.distributions() if "/opt/venv/" in str(each.locate_file(""))],
    "files": [str(path) for path in paths if path.is_file()],
    "writable": [str(path) for path in paths if not path.is_symlink() and os.access(path, os.W_OK)],
    "user": [os.getuid() != 0, os.getgid()],
}))
"""


@pytest.fixture(scope="module")
def inside(image: str) -> dict[str, Any]:
    """What any user finds in it."""
    options = ("--rm", "--network", "none", *CONTAINED, "--user", any_user(), "--entrypoint", "python")
    found: dict[str, Any] = json.loads(docker("run", *options, image, "-c", LOOK))
    return found


def test_our_layers_are_small(image: str, base: str, capsys: pytest.CaptureFixture[str]) -> None:
    size = inspected(image)["Size"] - inspected(base)["Size"]
    with capsys.disabled():
        print(f"\nour layers: {size / 1e6:.0f} MB on {inspected(base)['Size'] / 1e6:.0f} MB")
    assert size <= MOST


def test_it_holds_the_locks_packages_alone(inside: dict[str, Any]) -> None:
    unwanted = {
        "boto3", "cloudpickle", "dill", "joblib", "mlflow", "pandas", "pip", "pyarrow", "pydantic", "scikit-learn",
        "setuptools", "skops", "uv", "zenml",
    }  # fmt: skip
    assert {"msgspec", "numpy", "obstore", "onnxruntime", "uvicorn"} <= set(inside["packages"])
    assert unwanted & set(inside["packages"]) == set()


def test_no_file_is_a_pickle_a_cache_or_a_secret(inside: dict[str, Any]) -> None:
    endings = (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pt", ".whl", ".key", ".env", ".netrc", ".git")
    parts = ("/.cache/", "/uv/", "/pip/", "/.git/", "/tests/", "/.env", "keys.json", "/.aws/")
    assert len(inside["files"]) > 1000
    assert inside["pickles"] == []  # not in the base image either
    assert [path for path in inside["files"] if path.endswith(endings) or any(part in path for part in parts)] == []


def test_the_user_may_write_nothing_of_it(inside: dict[str, Any]) -> None:
    assert (inside["writable"], inside["user"]) == ([], [True, 0])


def test_what_it_says_of_itself(image: str) -> None:
    config = inspected(image)["Config"]
    assert config["User"] == "10001:0"
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert config["Healthcheck"]["Test"][:4] == ["CMD", "python", "-m", "serving.health"]
    labels = {name.rpartition(".")[2]: value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["licenses"], labels["version"]) == ("heart-model", "Apache-2.0", "development")


def test_neither_its_environment_nor_its_history_tells_how_it_was_built(image: str) -> None:
    variables = {each.partition("=")[0] for each in inspected(image)["Config"]["Env"]}
    assert [name for name in variables if any(word in name for word in ("KEY", "TOKEN", "PASSWORD", "SECRET"))] == []
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).splitlines()
    ours = [line for line in history if "/opt/venv" in line or "/app" in line or "org.opencontainers" in line]
    assert len(ours) >= 3
    assert [line for line in ours if "INDEX" in line or "://" in line] == []
