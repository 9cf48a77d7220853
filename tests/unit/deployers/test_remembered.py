"""Where a tree last deployed: the latest place counts, each stack keeps its own, and no ZenML is asked."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployers.kubernetes.deployer import ClusterDeployer
from deployers.local import LocalDeployer
from deployers.remembered import FILE, Place, recall, remember
from project.errors import ConfigError, Unreachable
from project.paths import ROOT

LOCAL = Place("local", "tabular_local", {"port": 8055})
CLUSTER = Place("minikube", "tabular_kubernetes", {"url": "http://a", "bundles": "s3://b/c", "image": "i:1"})


def test_the_latest_counts_and_each_stack_keeps_its_own(tmp_path: Path) -> None:
    assert recall(folder=tmp_path) is None
    for place in (LOCAL, CLUSTER, LOCAL):
        remember(place, tmp_path)
        assert recall(folder=tmp_path) == place
    assert recall("minikube", tmp_path) == CLUSTER
    assert recall("eks", tmp_path) is None
    assert LOCAL.deployer() == LocalDeployer(port=8055, stack="local")
    assert isinstance(CLUSTER.deployer(), ClusterDeployer)


def test_of_deployments_that_end_at_once_none_is_forgotten(tmp_path: Path) -> None:
    places = [Place(f"stack-{number}", "tabular_local", {}) for number in range(16)]
    with ThreadPoolExecutor(len(places)) as pool:
        list(pool.map(lambda place: remember(place, tmp_path), places))
    assert [recall(place.stack, tmp_path) for place in places] == places


def test_who_asks_where_nothing_serves_is_told_which_stack_was_asked(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as found:
        LocalDeployer(tmp_path, stack="local").status("heart_disease")
    assert found.value.cause == "there is no endpoint 'heart_disease' on the stack 'local'"
    assert found.value.next_step == (
        "python run.py deploy --stack local --dataset heart_disease; "
        "where it serves on another stack, say which: --stack NAME"
    )


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[{"stack": "local"}]')
    with pytest.raises(ConfigError, match=r"stacks\.json is damaged"):
        recall(folder=tmp_path)


@pytest.mark.parametrize("place", [LOCAL, CLUSTER], ids=lambda place: place.stack)
def test_a_deployer_comes_without_zenml_and_asks_for_its_cluster_s_library_when_it_calls(
    tmp_path: Path, place: Place
) -> None:
    remember(place, tmp_path)
    heavy = "{'zenml', 'kubernetes', 'boto3', 'numpy', 'pandas'}"
    code = (
        "import sys; from pathlib import Path; from deployers.remembered import recall; import cli.endpoint; "
        f"recall({place.stack!r}, Path({str(tmp_path)!r})).deployer(); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
