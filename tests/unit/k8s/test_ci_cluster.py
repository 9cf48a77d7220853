"""`.ci/cluster` uses what lies beside ../shared/cluster/up, and does without beside another command."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from project.paths import ROOT

TIERS = ["make test-docker", "make platform-up", "make test-cluster"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The script among programs that only write down that they were called; no cluster answers them."""
    called = f'#!/bin/sh\necho "$(basename "$0") $*" >>{tmp_path}/called\n'
    programs = {
        "bin/make": f"{called}[ $1 != --silent ] || echo export KUBECONFIG=there",
        "bin/kubectl": '#!/bin/sh\n[ "$2" != --raw ]',
        ".ci/addons": called,
    }
    programs |= {f"shared/{name}": called for name in ("up", "base-image", "load", "down")}
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / ".ci/cluster", tmp_path / ".ci")
    return tmp_path


def called(tree: Path, cluster_up: str) -> list[str]:
    environment = {"PATH": f"{tree}/bin:{os.environ['PATH']}", "CLUSTER_UP": cluster_up}
    done = subprocess.run([tree / ".ci/cluster"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *rest = (tree / "called").read_text().splitlines()
    assert first == "make --silent cluster-up"
    return [line.strip() for line in rest]


@pytest.mark.parametrize("command", ["minikube start", "/usr/bin/minikube start --cpus 4", "true"])
def test_a_command_of_one_s_own_has_no_helpers_and_its_cluster_stays(tree: Path, command: str) -> None:
    assert called(tree, command) == TIERS


def test_the_helpers_beside_the_shared_one_are_used(tree: Path) -> None:
    docker, *rest = TIERS
    ran = called(tree, f"{tree}/shared/up")
    assert [line for line in ran if not line.startswith("load")] == [
        "base-image", docker, "addons", "make s3-image", *rest, "make platform-down", "addons down", "down",
    ]  # fmt: skip
    assert ran[4].startswith("load")


def test_what_platform_down_leaves_fails_it(tree: Path) -> None:
    (tree / "bin/kubectl").write_text('#!/bin/sh\n[ "$2" != --raw ] && echo "namespace: tabular-platform"')
    environment = {"PATH": f"{tree}/bin:{os.environ['PATH']}", "CLUSTER_UP": f"{tree}/shared/up"}
    done = subprocess.run([tree / ".ci/cluster"], env=environment, capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-2:]  # before it a Docker client may say that no engine runs
    assert (done.returncode, said) == (1, ["namespace: tabular-platform", "platform-down has left this"])
