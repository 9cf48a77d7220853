"""The flavors in a ZenML store of their own, as `stack apply` uses them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployers.backends import backend
from deployers.kubernetes import Target, kubernetes_deployer
from deployers.local import LocalDeployer
from deployers.seldon import seldon_deployer
from project.errors import ConfigError
from project.images import image_name
from project.paths import ROOT

SCRIPT = """
import json
from zenml.client import Client
from zenml.enums import StackComponentType as Type
import deployers
from project.errors import ProjectError

client, found = Client(), {}

def attempt(call):
    try:
        return repr(call())
    except ProjectError as error:
        return str(error)

found["default"] = attempt(deployers.active)
for flavor, source, configuration in (
    ("tabular_local", "TabularLocalFlavor", {"port": 8055}),
    ("tabular_kubernetes", "TabularKubernetesFlavor", {"url": "http://m.example", "bundles": "s3://b/c", "image": "i"}),
    ("tabular_seldon", "TabularSeldonFlavor", {"url": "http://m.example", "bundles": "s3://b/x", "registry": "r"}),
):
    created = client.create_flavor(f"deployers.flavors.{source}", Type.MODEL_DEPLOYER)
    client.create_stack_component(flavor, flavor, Type.MODEL_DEPLOYER, configuration)
    parts = {Type.ORCHESTRATOR: "default", Type.ARTIFACT_STORE: "default", Type.MODEL_DEPLOYER: flavor}
    client.create_stack(flavor, parts)
    client.activate_stack(flavor)
    component = client.active_stack.model_deployer
    found[flavor] = {
        "name": created.name,
        "active": attempt(deployers.active),
        "component": type(component).__name__,
        "remote": component.config.is_remote,
        "local": component.config.is_local,
        "calls": [
            attempt(call)
            for call in (
                lambda: component.perform_deploy_model(None, None),
                lambda: component.perform_start_model(None),
                lambda: component.perform_stop_model(None),
                lambda: component.perform_delete_model(None),
                lambda: component.get_model_server_info(None),
            )
        ],
    }
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("zenml")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "ZENML_CONFIG_PATH": str(home),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "ERROR",
    }
    script = home / "register.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("FOUND")[1])


def test_the_active_stack_gives_the_backend(found: Any) -> None:
    assert found["tabular_local"]["active"] == repr(LocalDeployer(port=8055, stack="tabular_local"))


@pytest.mark.parametrize(
    ("flavor", "made", "target"),
    [
        ("tabular_kubernetes", kubernetes_deployer, Target(url="http://m.example", bundles="s3://b/c", image="i")),
        (
            "tabular_seldon",
            seldon_deployer,
            Target(url="http://m.example", bundles="s3://b/x", image=image_name("serving", "r")),
        ),
    ],
)
def test_a_cluster_gives_its_backend_without_being_asked(
    found: Any, flavor: str, made: Callable[[Target, str], object], target: Target
) -> None:
    assert found[flavor]["active"] == repr(made(target, flavor))


def test_a_stack_without_a_model_deployer(found: Any) -> None:
    assert found["default"] == "the stack 'default' has no model deployer. Next: python run.py --stack local"


@pytest.mark.parametrize(
    ("flavor", "component", "local"),
    [
        ("tabular_local", "TabularLocalModelDeployer", True),
        ("tabular_kubernetes", "TabularKubernetesModelDeployer", False),
        ("tabular_seldon", "TabularSeldonModelDeployer", False),
    ],
)
def test_components_refuse_zenml_services_and_name_our_command(
    found: Any, flavor: str, component: str, local: bool
) -> None:
    seen = found[flavor]
    assert (seen["name"], seen["component"], seen["local"], seen["remote"]) == (flavor, component, local, not local)
    calls = ["deploy_model", "start_model_server", "stop_model_server", "delete_model_server", "get_model_server_info"]
    assert [said.split(",")[1].split()[1] for said in seen["calls"]] == calls
    assert all("does not apply. Next: python run.py " in said for said in seen["calls"])


def test_a_flavor_of_others_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        backend("seldon", {}, "theirs")
    assert caught.value.cause == "the stack 'theirs' deploys with 'seldon', which is not a deployer of this project"


def test_a_port_for_this_run_wins(tmp_path: Path) -> None:
    assert backend("tabular_local", {"port": 8055}, "s", port=9000) == LocalDeployer(port=9000, stack="s")
