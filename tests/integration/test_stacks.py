"""The stacks against real ZenML stores: a local one, and a server in a process of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from zenml.enums import StackComponentType

from project.errors import ConfigError, Exit, ProjectError, Refused, Unreachable
from project.images import image_name
from project.paths import ROOT, STACKS
from stacks import registry
from stacks.changes import Action
from stacks.doctor import examine
from stacks.export import exported
from stacks.files import Stack, read_stack
from stacks.images import step_settings
from stacks.schema import RemoteServer
from stacks.selection import connected, use_stack
from tests.served import free_port
from tests.unit.stacks.conftest import VARIABLES

SECRETS = {
    "MINIKUBE_S3_KEY": "s3-key",
    "MINIKUBE_S3_SECRET": "s3-secret",
    "MINIKUBE_MLFLOW_USERNAME": "ada",
    "MINIKUBE_MLFLOW_PASSWORD": "lovelace",
    "EKS_MLFLOW_USERNAME": "ada",
    "EKS_MLFLOW_PASSWORD": "lovelace",
}
LOCAL_STORE = Path("local_stores/default_zen_store/zenml.db")
Edit = Callable[[str, str, str], Stack]
DEFAULTS = {StackComponentType.ORCHESTRATOR: "default", StackComponentType.ARTIFACT_STORE: "default"}


@pytest.fixture(scope="module")
def used_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZenML configuration after the very first use, by two processes at once."""
    home = tmp_path_factory.mktemp("zenml")
    code = "from stacks.selection import use_stack; print('chose', use_stack('local'))"
    environment = {**_clean_environment(), "ZENML_CONFIG_PATH": str(home)}
    both = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert ["chose local" in process.communicate(timeout=120)[0] for process in both] == [True, True]
    return home


@pytest.fixture
def home(used_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that configuration for one test; afterwards this process has forgotten it."""
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration
    from zenml.utils import source_utils

    home = tmp_path / "zenml"
    (home / LOCAL_STORE).parent.mkdir(parents=True)
    shutil.copy(used_once / LOCAL_STORE, home / LOCAL_STORE)
    shutil.copy(used_once / "config.yaml", home)
    before = dict(os.environ)
    for variable in set(before) - set(_clean_environment()):
        del os.environ[variable]
    os.environ["ZENML_CONFIG_PATH"] = str(home)
    monkeypatch.chdir(tmp_path)
    source_utils.set_custom_source_root(str(ROOT))  # found by the main module otherwise, which a test worker lacks
    yield home
    os.environ.clear()
    os.environ.update(before)
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    source_utils.set_custom_source_root(None)


@pytest.fixture
def edit(home: Path, tmp_path: Path) -> Edit:
    """Edit a copy of the stack files and read the stack again; edits add up."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    for file in STACKS.glob("*.yaml"):
        shutil.copy(file, folder)

    def change(file: str, old: str, new: str) -> Stack:
        path = folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return read_stack(file.partition(".")[0], VARIABLES, folder)

    return change


def _clean_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("ZENML_", "MINIKUBE_", "EKS_"))}


def _lines(stack: Stack) -> list[str]:
    with connected(stack, "current") as client:
        return [change.line() for change in registry.compare(stack, client)]


def _apply(stack: Stack) -> list[str]:
    with connected(stack, "current") as client:
        return [change.line() for change in registry.apply(stack, client)[0]]


def _refused(stack: Stack) -> str:
    with connected(stack, "current") as client:
        before = exported(stack.name, client)
        with pytest.raises(Refused) as refusal:
            registry.apply(stack, client)
        assert exported(stack.name, client) == before
    return refusal.value.cause


# Choosing a stack for this process


def test_local_is_active_in_this_process_alone(home: Path) -> None:
    before = (home / "config.yaml").read_bytes()
    assert use_stack("local") == "local"

    from zenml.client import Client

    stack = Client().active_stack_model
    assert (stack.name, os.environ["ZENML_ACTIVE_STACK_ID"]) == ("local", str(stack.id))
    assert os.environ["ZENML_STORE_URL"] == f"sqlite:///{home / LOCAL_STORE}"
    assert Client().zen_store.is_local_store()
    assert (home / "config.yaml").read_bytes() == before


def test_telemetry_is_off_unless_the_user_wants_it(home: Path) -> None:
    os.environ["DO_NOT_TRACK"] = "0"
    use_stack("local")
    assert os.environ["ZENML_ANALYTICS_OPT_IN"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
    assert os.environ["DO_NOT_TRACK"] == "0"


def test_a_second_use_writes_nothing(home: Path) -> None:
    use_stack("local")
    first = (home / LOCAL_STORE).read_bytes()
    use_stack("local")
    assert (home / LOCAL_STORE).read_bytes() == first


def test_artifacts_lie_where_the_user_s_dashboard_looks(home: Path) -> None:
    use_stack("local")

    from zenml.client import Client

    assert Client().active_stack.artifact_store.path.startswith(str(home / "local_stores"))


def test_the_user_s_login_and_stack_are_left_alone(home: Path, tmp_path: Path) -> None:
    elsewhere = {
        "store": {"type": "rest", "url": "https://zenml.example"},
        "active_stack_id": "00000000-0000-0000-0000-000000000001",
    }
    config = home / "config.yaml"
    config.write_text(yaml.safe_dump({**yaml.safe_load(config.read_text()), **elsewhere}))
    repository = tmp_path / ".zen" / "config.yaml"
    repository.parent.mkdir()
    repository.write_text("active_stack_id: 00000000-0000-0000-0000-000000000002\n")
    before = config.read_bytes(), repository.read_bytes()
    assert use_stack("local") == "local"

    from zenml.client import Client

    assert Client().active_stack_model.name == "local"
    assert (config.read_bytes(), repository.read_bytes()) == before


def test_without_a_choice_it_is_local(home: Path) -> None:
    assert use_stack(None) == "local"
    assert os.environ["ZENML_STORE_URL"] == f"sqlite:///{home / LOCAL_STORE}"


def test_the_stack_that_the_user_set_counts(home: Path) -> None:
    _activate("mine", copy_of="default")
    assert use_stack(None) == "mine"

    from zenml.client import Client

    assert Client().active_stack_model.name == "mine"
    _activate("local")
    assert use_stack(None) == "local"


def test_a_variable_that_names_no_stack(home: Path) -> None:
    os.environ["ZENML_ACTIVE_STACK_ID"] = "nowhere"
    with pytest.raises(ConfigError) as refusal:
        use_stack(None)
    assert refusal.value.cause == "ZENML_ACTIVE_STACK_ID names 'nowhere', no stack of this ZenML server"
    assert refusal.value.next_step == "unset ZENML_ACTIVE_STACK_ID"


def test_an_active_stack_of_another_server_is_refused(home: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    use_stack("eks", server="current")
    _activate("eks")
    with pytest.raises(Unreachable) as refusal:
        use_stack(None)
    assert refusal.value.exit_code == Exit.UNREACHABLE
    assert refusal.value.cause == (
        "the active stack 'eks' is registered in the wrong server: "
        "it belongs to the ZenML server https://zenml.example, this is the local store"
    )
    assert refusal.value.next_step == "zenml login https://zenml.example"


def test_a_login_that_does_not_answer(home: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    (home / "config.yaml").write_text(f"store:\n  type: rest\n  url: {url}\n")
    with pytest.raises(Unreachable) as refusal:
        use_stack(None)
    assert refusal.value.cause.startswith(f"the ZenML server {url} you are logged into does not answer (")
    assert refusal.value.next_step == "start it, or python run.py --stack local, which needs none"
    os.environ["ZENML_STORE_URL"] = "elsewhere"
    with pytest.raises(Unreachable, match="the ZenML server elsewhere that ZENML_STORE_URL names does not answer"):
        use_stack(None)


def test_a_remote_stack_needs_a_login(home: Path) -> None:
    os.environ.update(VARIABLES)
    with pytest.raises(Unreachable) as refusal:
        use_stack("eks")
    assert refusal.value.next_step == (
        "zenml login https://zenml.example, or export EKS_ZENML_API_KEY=… of a service account"
    )


def test_a_remote_stack_whose_server_is_down(home: Path) -> None:
    os.environ.update({**VARIABLES, "EKS_ZENML_URL": f"http://127.0.0.1:{free_port()}", "EKS_ZENML_API_KEY": "k"})
    with pytest.raises(Unreachable, match="of stack 'eks' does not answer"):
        use_stack("eks")


def test_a_configuration_that_can_not_be_written(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    os.environ["ZENML_CONFIG_PATH"] = str(tmp_path / "file" / "below")
    with pytest.raises(ProjectError, match="can not be written: Not a directory"):
        use_stack("local")


# Bringing the registered stack in line


def test_an_update_in_place(edit: Edit) -> None:
    stack = edit("local.yaml", "        port: 8000\n", "")
    expected = ["~ model_deployer local: configuration.port: 8000 -> absent"]
    assert _lines(stack) == expected
    assert _apply(stack) == expected
    assert _lines(stack) == _apply(stack) == []
    with connected(stack, "current") as client:
        deployer = client.get_stack_component(StackComponentType.MODEL_DEPLOYER, "local")
        assert deployer.configuration == {"host": "127.0.0.1"}
        assert registry.unchanged(stack, client) is not None


def test_a_change_made_by_hand_is_found(edit: Edit) -> None:
    stack = read_stack("local")
    _apply(stack)
    with connected(stack, "current") as client:
        client.update_stack_component("local", StackComponentType.MODEL_DEPLOYER, configuration={"port": 9})
        assert registry.unchanged(stack, client) is None
    assert _apply(stack) == ["~ model_deployer local: configuration.port: 9 -> 8000"]


def test_parts_and_labels_come_and_go(edit: Edit) -> None:
    builder = "  image_builder:\n    - {name: local, type: image_builder, flavor: local}\n  model_deployer:"
    more = edit("local.resources.yaml", "flavors:", "labels: {team: heart}\nflavors:")
    more = edit("local.yaml", "  model_deployer:", builder)
    assert _apply(more) == [
        "+ image_builder local",
        "~ stack local: components.image_builder: absent -> 'local'",
        "~ stack local: labels.team: absent -> 'heart'",
    ]
    assert _apply(read_stack("local")) == [
        "~ stack local: components.image_builder: 'local' -> absent",
        "~ stack local: labels.team: 'heart' -> absent",
    ]
    assert _lines(read_stack("local")) == []


def test_another_flavor_is_refused(edit: Edit) -> None:
    stack = edit("local.yaml", "flavor: local\n", "flavor: local_docker\n")
    cause = _refused(stack)
    assert "! orchestrator local: flavor: 'local' -> 'local_docker'  (a component can not change its flavor)" in cause


def test_another_artifact_path_is_refused(edit: Edit, tmp_path: Path) -> None:
    stack = edit("local.yaml", "{} # a folder", f"{{path: {tmp_path}}} # a folder")
    cause = _refused(stack)
    assert f"configuration.path: absent -> '{tmp_path}'  (artifacts of earlier runs stay at the old path)" in cause


def test_a_component_that_another_stack_uses_is_refused(edit: Edit) -> None:
    stack = edit("local.yaml", "port: 8000", "port: 8001")
    with connected(stack, "current") as client:
        client.create_stack("theirs", {**DEFAULTS, StackComponentType.MODEL_DEPLOYER: "local"})
    assert _refused(stack).endswith(
        "! model_deployer local: configuration.port: 8000 -> 8001  (also used by stack theirs)"
    )


def test_what_someone_else_registered_is_refused(edit: Edit) -> None:
    stack = edit(
        "local.yaml", "name: local\n      type: experiment_tracker", "name: theirs\n      type: experiment_tracker"
    )
    with connected(stack, "current") as client:
        tracker = StackComponentType.EXPERIMENT_TRACKER
        client.create_stack_component("theirs", "mlflow", tracker, {"tracking_uri": "sqlite:///x.db"})
    assert "(registered by someone else)" in _refused(stack)


def test_a_stack_of_someone_else_s_is_refused(home: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    stack = read_stack("eks")
    with connected(stack, "current") as client:
        client.create_stack("eks", DEFAULTS)
    assert "! stack eks: components.orchestrator: 'default' -> 'eks'  (registered by someone else)" in _refused(stack)


def test_a_flavor_from_elsewhere_is_refused(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_flavors.py").write_text(
        "from deployers.flavors import TabularLocalFlavor\n\nclass Copy(TabularLocalFlavor):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    stack = edit("local.resources.yaml", "deployers.flavors.TabularLocalFlavor", "other_flavors.Copy")
    assert "! flavor tabular_local: source: 'deployers.flavors.TabularLocalFlavor' -> 'other_flavors.Copy'" in _refused(
        stack
    )


@pytest.mark.parametrize("name", ["minikube", "eks"])
def test_a_cluster_s_stack_registers_without_a_cluster(home: Path, name: str) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    stack = read_stack(name)
    assert use_stack(name, server="current") == name
    assert _lines(stack) == []

    from zenml.client import Client

    active = Client().active_stack
    assert (active.name, active.orchestrator.flavor, active.artifact_store.flavor) == (name, "kubernetes", "s3")
    assert active.experiment_tracker is not None
    configuration: Any = active.experiment_tracker.config
    assert configuration.tracking_password == "lovelace"
    registry = f"{VARIABLES['EKS_REGISTRY']}/tabular" if name == "eks" else "localhost:5000/tabular"
    docker = step_settings()["docker"]
    assert docker["parent_image"] == image_name("steps", registry)
    assert docker["skip_build"]  # the lock is in the image, the code comes by the artifact store


def test_local_steps_need_no_image(home: Path) -> None:
    use_stack("local")
    assert step_settings() == {}


def test_secrets_are_created_rotated_and_never_shown(home: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    stack = read_stack("minikube")
    _apply(stack)
    os.environ["MINIKUBE_S3_SECRET"] = "another"
    lines = _lines(stack)
    assert lines == ["~ secret minikube-s3: secret: 'hidden' -> 'another value'"]
    _apply(stack)
    with connected(stack, "current") as client:
        values = client.get_secret_by_name_and_private_status("minikube-s3").secret_values
        assert values == {"key": "s3-key", "secret": "another"}
    for variable in SECRETS:
        os.environ.pop(variable, None)
    assert _lines(stack) == []


def test_a_secret_that_is_nowhere(home: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    del os.environ["MINIKUBE_MLFLOW_PASSWORD"]
    with pytest.raises(ConfigError) as refusal:
        _apply(read_stack("minikube"))
    assert "'minikube-mlflow' has no 'password' in this ZenML server" in refusal.value.cause
    assert refusal.value.next_step == "export MINIKUBE_MLFLOW_PASSWORD=…"


CONNECTOR = """connectors:
  - name: cluster
    type: kubernetes
    auth_method: token
    resource_type: kubernetes-cluster
    configuration: {server: "https://10.0.0.1", cluster_name: one}
    components: [orchestrator]
flavors:"""


def test_a_connector_is_registered_linked_and_updated(edit: Edit) -> None:
    os.environ.update(SECRETS)
    stack = edit("eks.resources.yaml", "flavors:", CONNECTOR)
    assert "+ connector cluster" in _apply(stack)
    with connected(stack, "current") as client:
        linked = client.get_stack_component(StackComponentType.ORCHESTRATOR, "eks").connector
        assert linked is not None
        assert linked.name == "cluster"
    assert _lines(stack) == []
    stack = edit("eks.resources.yaml", "cluster_name: one", "cluster_name: two")
    assert _apply(stack) == ["~ connector cluster: configuration.cluster_name: 'one' -> 'two'"]
    assert _lines(stack) == []
    stack = edit("eks.resources.yaml", "components: [orchestrator]", "components: []")
    assert _apply(stack) == ["~ orchestrator eks: connector: 'cluster' -> absent"]
    assert _lines(stack) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type: kubernetes\n", "type: kubernetis\n", "did you mean 'kubernetes'"),
        ("auth_method: token", "auth_method: tokens", "did you mean 'token'"),
        ("kubernetes-cluster", "kubernetes-clusters", "did you mean 'kubernetes-cluster'"),
        ("cluster_name: one", "cluster_nam: one", "did you mean 'cluster_name'"),
        ("cluster_name: one", "token: t0p", "'token' is a secret, and a connector can not refer to one"),
    ],
)
def test_a_connector_zenml_would_not_take(edit: Edit, old: str, new: str, message: str) -> None:
    os.environ.update(SECRETS)
    edit("eks.resources.yaml", "flavors:", CONNECTOR)
    with pytest.raises(ConfigError, match=message):
        _lines(edit("eks.resources.yaml", old, new))


def test_export_is_zenml_s_schema_and_complete(home: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    stack = read_stack("eks")
    _apply(stack)
    with connected(stack, "current") as client:
        content = exported("eks", client)
        assert (content["zenml_version"], content["stack_name"]) == ("0.98.0", "eks")
        (orchestrator,) = content["components"]["orchestrator"]
        declared = stack.component("orchestrator")
        assert declared is not None
        assert orchestrator == {
            "name": "eks",
            "type": "orchestrator",
            "flavor": "kubernetes",
            "configuration": declared.configuration,
        }
        with pytest.raises(ConfigError, match="stack 'minikube' is not registered"):
            exported("minikube", client)


# The command


def _run(*arguments: str) -> Result:
    from cli.stack import stack

    return CliRunner().invoke(stack, list(arguments))


def test_list(home: Path) -> None:
    result = _run("list", "--json")
    stacks = json.loads(result.stdout)["stacks"]
    assert [(each["name"], each["extends"]) for each in stacks] == [
        ("eks", "minikube"),
        ("local", None),
        ("minikube", None),
    ]
    assert "local     local" in _run("list").stdout


def test_apply_diff_and_export(home: Path, tmp_path: Path) -> None:
    os.environ.update({**VARIABLES, **SECRETS})
    assert _run("diff", "eks", "--server", "current").exit_code == Exit.DIFFERENT
    applied = _run("apply", "eks", "--server", "current", "--json")
    assert applied.exit_code == Exit.DONE
    changes = json.loads(applied.stdout)["changes"]
    assert {change["action"] for change in changes} == {Action.CREATE.value}
    assert _run("diff", "eks", "--server", "current").stdout == "stack eks is as its files say\n"
    assert _run("apply", "eks", "--server", "current").stdout.startswith("nothing changed: stack eks is registered")
    file = tmp_path / "out.yaml"
    assert _run("export", "eks", "--server", "current", "--output", str(file)).exit_code == Exit.DONE
    assert yaml.safe_load(file.read_text())["stack_name"] == "eks"


def test_doctor_of_a_healthy_local_stack(home: Path) -> None:
    result = _run("doctor", "local", "--json")
    parts = {part["part"]: part for part in json.loads(result.stdout)["parts"]}
    assert list(parts) == ["server", "artifact_store", "experiment_tracker", "model_deployer"]
    assert all(parts[part]["ok"] for part in ("server", "artifact_store", "experiment_tracker"))


@pytest.mark.parametrize("how", [["local"], ["--stack", "local"], []], ids=str)
def test_doctor_takes_a_stack_by_name_by_option_or_the_active_one(home: Path, how: list[str]) -> None:
    assert json.loads(_run("doctor", *how, "--json").stdout)["stack"] == "local"


def test_doctor_takes_one_stack(home: Path) -> None:
    result = _run("doctor", "local", "--stack", "eks")
    assert (result.exit_code, "NAME is 'local' and --stack 'eks': give one" in result.output) == (Exit.USAGE, True)


def test_doctor_names_a_fix_for_every_part(home: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    urls = {name: dead for name in VARIABLES if name.startswith("MINIKUBE_")}
    os.environ.update({**urls, **SECRETS, "MINIKUBE_REGISTRY": dead.removeprefix("http://"), "KUBECONFIG": "/nowhere"})
    result = _run("doctor", "minikube", "--json")
    assert result.exit_code == Exit.UNREACHABLE
    parts = json.loads(result.stdout)["parts"]
    assert {part["part"] for part in parts} == {
        *("server", "credentials", "orchestrator", "artifact_store"),
        *("container_registry", "experiment_tracker", "model_deployer", "rights", "names", "definitions"),
    }
    assert [part["part"] for part in parts if part["ok"] or not part["fix"]] == []
    (registry_,) = [part for part in parts if part["part"] == "container_registry"]
    assert registry_["fix"].startswith("start the registry, or correct ")


TYPOS = [
    pytest.param(
        "local.yaml", "port:", "prot:",
        "unknown key 'prot' for the tabular_local model_deployer; did you mean 'port'?", id="an optional key",
    ),
    pytest.param(
        "minikube.yaml", "uri:", "urii:",
        "unknown key 'urii' for the default container_registry; did you mean 'uri'?", id="a key that is needed",
    ),
    pytest.param(
        "minikube.yaml", "kubernetes_namespace:", "kubernetes_namespac:",
        "unknown key 'kubernetes_namespac' for the kubernetes orchestrator; did you mean 'kubernetes_namespace'?",
        id="a key that doctor reads",
    ),
    pytest.param("local.yaml", "port: 8000", "port: eighty", "'port' is 'eighty', expected a whole number", id="type"),
    pytest.param("minikube.yaml", "        path: ", "        # ", "'path' is missing", id="missing"),
    pytest.param(
        "minikube.resources.yaml", "flavors:", CONNECTOR.replace("auth_method: token", "auth_method: tokens"),
        "connector 'cluster': unknown auth_method 'tokens'; did you mean 'token'?", id="a connector",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "cause"), TYPOS)
def test_doctor_finds_what_is_misspelt(edit: Edit, file: str, old: str, new: str, cause: str) -> None:
    stack = edit(file, old, new)
    with pytest.raises(ConfigError) as refusal:
        examine(stack)
    assert refusal.value.cause.endswith(cause)


@pytest.mark.parametrize(("file", "old", "new", "cause"), [typo for typo in TYPOS if "minikube" in str(typo.values)])
def test_what_is_misspelt_is_said_though_the_server_is_down(
    edit: Edit, file: str, old: str, new: str, cause: str
) -> None:
    os.environ["MINIKUBE_ZENML_API_KEY"] = "key"
    stack = _with_server(edit(file, old, new), f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ConfigError) as refusal, connected(stack):
        pass
    assert refusal.value.cause.endswith(cause)


def test_a_server_that_is_down_is_said_of_files_that_fit(home: Path) -> None:
    os.environ.update({**VARIABLES, "MINIKUBE_ZENML_API_KEY": "key"})
    stack = _with_server(read_stack("minikube"), f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unreachable, match="of stack 'minikube' does not answer"), connected(stack):
        pass


def _with_server(stack: Stack, url: str) -> Stack:
    server = RemoteServer(kind="remote", url=url, api_key_variable="MINIKUBE_ZENML_API_KEY")
    return replace(stack, resources=stack.resources.model_copy(update={"server": server}))


# A server


@pytest.fixture(scope="module", autouse=True)
def starting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real ZenML server that starts while the other tests run; call for its URL."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    environment = {
        **_clean_environment(),
        "ZENML_SERVER": "true",
        "ZENML_STORE_TYPE": "sql",
        "ZENML_STORE_URL": f"sqlite:///{folder / 'zenml.db'}",
        "ZENML_CONFIG_PATH": str(folder),
        "ZENML_SERVER_DEPLOYMENT_TYPE": "kubernetes",
        "ZENML_SERVER_AUTO_ACTIVATE": "1",
        "ZENML_DEFAULT_USER_NAME": "admin",
        "ZENML_DEFAULT_USER_PASSWORD": "a-password-of-tests",
        "ZENML_SERVER_JWT_SECRET_KEY": "0" * 64,
        "ZENML_SECRETS_STORE_TYPE": "sql",
        "ZENML_ANALYTICS_OPT_IN": "false",
    }
    command = [sys.executable, "-m", "uvicorn", "zenml.zen_server.zen_server_api:app", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)

    def url() -> str:
        _wait_until_open(port, process, folder / "log")
        return f"http://127.0.0.1:{port}"

    yield url
    process.terminate()
    process.wait(timeout=20)


@pytest.fixture(scope="module")
def zenml_server(starting_server: Callable[[], str]) -> tuple[str, str]:
    """The server's URL and the key of a service account."""
    url = starting_server()
    login = {"username": "admin", "password": "a-password-of-tests"}
    token = _post(f"{url}/api/v1/login", urllib.parse.urlencode(login).encode())["access_token"]
    account = _post(f"{url}/api/v1/service_accounts", {"name": "tests", "active": True}, token)["id"]
    key = _post(f"{url}/api/v1/service_accounts/{account}/api_keys", {"name": "tests"}, token)["body"]["key"]
    return url, str(key)


def test_a_login_of_the_user_s_is_enough(home: Path, zenml_server: tuple[str, str]) -> None:
    url, key = zenml_server
    os.environ.update({**VARIABLES, **SECRETS, "MINIKUBE_ZENML_URL": url})
    (home / "credentials.yaml").write_text(yaml.safe_dump({url: {"url": url, "api_key": key}}))
    assert use_stack("minikube") == "minikube"
    assert "ZENML_STORE_API_KEY" not in os.environ


def test_a_remote_stack_registers_in_its_server(home: Path, zenml_server: tuple[str, str]) -> None:
    url, key = zenml_server
    os.environ.update({**VARIABLES, **SECRETS, "MINIKUBE_ZENML_URL": f"{url}/", "MINIKUBE_ZENML_API_KEY": key})
    before = (home / "config.yaml").read_bytes(), (home / LOCAL_STORE).read_bytes()
    assert use_stack("minikube") == "minikube"

    from zenml.client import Client

    assert Client().zen_store.url == url
    assert Client().active_stack_model.name == "minikube"
    assert not Client().zen_store.is_local_store()
    assert use_stack("minikube") == "minikube"
    assert _run("diff", "minikube").exit_code == Exit.DONE
    assert ((home / "config.yaml").read_bytes(), (home / LOCAL_STORE).read_bytes()) == before

    parts = {part["part"]: part for part in json.loads(_run("doctor", "minikube", "--json").stdout)["parts"]}
    assert (parts["server"]["ok"], parts["credentials"]["ok"]) == (True, True)
    os.environ["MINIKUBE_ZENML_API_KEY"] = "wrong"
    parts = {part["part"]: part for part in json.loads(_run("doctor", "minikube", "--json").stdout)["parts"]}
    assert (parts["server"]["ok"], parts["credentials"]["ok"]) == (True, False)
    with pytest.raises(Unreachable, match="the ZenML server of stack 'minikube' refused"):
        use_stack("minikube")


def test_a_stack_whose_secret_only_the_server_knows(home: Path, zenml_server: tuple[str, str]) -> None:
    url, key = zenml_server
    os.environ.update({**VARIABLES, **SECRETS, "MINIKUBE_ZENML_URL": url, "MINIKUBE_ZENML_API_KEY": key})
    use_stack("minikube")
    for variable in [*SECRETS, "ZENML_STORE_API_KEY"]:
        os.environ.pop(variable, None)
    details = {finding.part: finding.detail for finding in examine(read_stack("minikube"))}
    assert "secret" not in details["experiment_tracker"]
    del os.environ["MINIKUBE_ZENML_API_KEY"]
    (finding,) = [each for each in examine(read_stack("minikube")) if each.part == "experiment_tracker"]
    assert "minikube-mlflow.username" in finding.detail
    assert "MINIKUBE_MLFLOW_USERNAME=…" in finding.fix


def _activate(name: str, copy_of: str = "") -> None:
    """What `zenml stack set` does, after `zenml stack copy` if asked."""
    from zenml.client import Client
    from zenml.config.global_config import GlobalConfiguration

    os.environ.pop("ZENML_ACTIVE_STACK_ID", None)
    GlobalConfiguration._reset_instance()
    Client._reset_instance()
    if copy_of:
        components = {
            kind: [part.id for part in parts] for kind, parts in Client().get_stack(copy_of).components.items()
        }
        Client().create_stack(name, components)
    Client().activate_stack(name)


def _post(url: str, body: Any, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(url, data=body if isinstance(body, bytes) else json.dumps(body).encode())
    if token:
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text()[-2000:])
