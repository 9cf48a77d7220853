"""Images of the platform and the registry they go to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from k8s.platform.images import provide
from project.errors import Unreachable
from tests.served import free_port


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker's command")
def test_a_registry_that_is_down_is_said_before_anything_is_built() -> None:
    registry = f"localhost:{free_port()}/tabular"
    with pytest.raises(Unreachable, match=f"the registry of {registry}/serving:[0-9a-f]+ does not answer: .* refused"):
        provide("serving", registry, "minikube")


DOCKER = """#!/bin/sh
echo "$@" >>"$SAID"
case "$1 $2" in
  "manifest inspect") echo no such manifest >&2; exit 1 ;;
  "image inspect") [ -n "$HERE" ] && echo "$HERE" ;;
  "version --format") echo amd64 ;;
esac
"""


@pytest.mark.parametrize(
    ("nodes", "here", "built", "options"),
    [
        pytest.param("amd64", "", True, "", id="of this machine's"),
        pytest.param("arm64", "", True, "--platform=linux/arm64 --build-arg=CORETYPE=ARMV8 ", id="of another"),
        pytest.param("amd64", "arm64", True, "", id="here, of another"),
        pytest.param("arm64", "arm64", False, "", id="here"),
    ],
)
def test_an_image_is_built_for_the_nodes_and_its_index_is_in_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: str, here: str, built: bool, options: str
) -> None:
    docker, said = tmp_path / "docker", tmp_path / "said"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    for name, value in {"SAID": str(said), "HERE": here, "INDEX_URL": "https://u:secret@index.example"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("REGISTRY", raising=False)
    provide("steps", "registry.example/tabular", "team", nodes)
    lines = said.read_text().splitlines()
    builds = [line for line in lines if line.startswith("build ")]
    assert len(builds) == built
    assert all(f"--target steps --build-arg=INDEX_URL {options}--tag registry.example" in line for line in builds)
    assert "secret" not in said.read_text()
    assert lines[-1].startswith("push ")
