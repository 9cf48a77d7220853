"""The images, built from the tree as it is."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from project.paths import ROOT
from tests.docker.engine import BUILD, docker


@pytest.fixture(scope="session")
def base() -> str:
    """The image that ours starts from; the tests are skipped where it is neither here nor to be had."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^FROM \$\{REGISTRY\}(\S+) AS base$", text, re.MULTILINE)
    assert found is not None
    name = os.environ.get("REGISTRY", "") + found[1]
    here = subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False)
    if here.returncode != 0:
        pull = subprocess.run(["docker", "pull", "--quiet", name], capture_output=True, text=True, check=False)
        if pull.returncode != 0:
            pytest.skip(f"{name} can not be pulled: {pull.stderr.strip().splitlines()[-1]}")
    return name


@pytest.fixture(scope="session")
def image(base: str) -> str:
    """The server's image, by its name."""
    return build("serving")


def build(target: str) -> str:
    """Build a target of the Dockerfile; `REGISTRY` and `INDEX_URL` count, as in docker-compose.yml."""
    given = [f"--build-arg={name}={os.environ[name]}" for name in ("REGISTRY", "INDEX_URL") if name in os.environ]
    name = f"heart-model-tests:{target}"
    docker("build", "--quiet", "--target", target, *given, "--tag", name, ".", seconds=BUILD)
    return name
