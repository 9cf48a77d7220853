"""The image at work: under any user, on a read-only root, without a capability."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from project.paths import ROOT
from tests.docker.engine import ANSWER, BUNDLE, CONTAINED, Container, any_user, docker, inspected, running
from tests.integration.object_store import BUCKET, object_store
from tests.served import free_port
from tests.serving_bundle import heart_bundle

pytestmark = pytest.mark.docker

OPEN = ("--open", "--published-on-loopback")
EXAMPLE = json.loads((BUNDLE / "serving.json").read_bytes())["example"]
CONTAINERS = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
DIGEST = json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]


@pytest.fixture(scope="module")
def bare(image: str) -> Iterator[Container]:
    """What `docker run` without any argument starts."""
    with running(image) as container:
        yield container


def key_of(container: Container) -> str:
    """What it said: one line on stderr before anything else."""
    first = logs(container.id).splitlines()[0]
    assert first.startswith("no keys were given; for this start send  X-API-Key: sk_")
    return first.rpartition(" ")[2]


def predicted(container: Container, headers: dict[str, str] | None = None) -> Any:
    status, answer = container.request("POST", "/predict", EXAMPLE["row"], headers)
    assert status == 200, answer
    return answer


def test_it_serves_the_reference_bundle_to_who_has_the_key_it_printed(
    bare: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nready {bare.ready:.2f} s after the start of its process")
    assert bare.request("POST", "/predict", EXAMPLE["row"])[0] == 401
    answer = predicted(bare, {"x-api-key": key_of(bare)})
    assert (answer["model"], answer["version"]) == ("heart_disease", DIGEST[:12])
    assert answer["probability"] == pytest.approx(EXAMPLE["probabilities"][1], abs=1e-6)


def test_the_documented_way_to_know_the_callers(image: str, tmp_path: Path) -> None:
    """As a user who is not the image's own: the file of the keys is for its owner alone."""
    blocks = re.findall(r"^```sh needs=docker\n(.*?)^```$", CONTAINERS, re.MULTILINE | re.DOTALL)
    (block,) = [each for each in blocks if "serving.keys add" in each]
    make, run = block.replace("\\\n", "").strip().splitlines()
    made = subprocess.run(["bash", "-c", make.replace("keys.json", f"{tmp_path}/keys.json").replace("> key", "")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    user = any_user()
    os.chown(tmp_path / "keys.json", int(user), 0)
    _, *given = shlex.split(run.replace("$(id -u)", user).replace("$PWD", str(tmp_path)))
    at = given.index("heart-model:dev")
    options = tuple(each for each in given[1:at] if each not in ("-p", "8000:8000"))
    with running(image, *given[at + 1 :], options=options) as container:
        assert container.request("POST", "/predict", EXAMPLE["row"])[0] == 401
        assert predicted(container, {"x-api-key": made.stdout.strip()})["version"] == DIGEST[:12]


def test_another_start_prints_another_key(bare: Container, image: str) -> None:
    with running(image) as other:
        assert other.request("POST", "/predict", EXAMPLE["row"], {"x-api-key": key_of(bare)})[0] == 401
        assert predicted(other, {"x-api-key": key_of(other)})["version"] == DIGEST[:12]


def test_its_health_check_holds(bare: Container) -> None:
    _, *command = inspected(bare.id)["Config"]["Healthcheck"]["Test"]
    assert json.loads(docker("exec", bare.id, *command))["ready"] is True


def test_the_health_check_finds_another_port(image: str) -> None:
    _, *command = inspected(image)["Config"]["Healthcheck"]["Test"]
    with running(image, *OPEN, port=free_port()) as container:
        assert json.loads(docker("exec", container.id, *command))["ready"] is True


def test_it_logs_each_request_to_stdout(bare: Container) -> None:
    bare.request("GET", "/health/live")
    until = time.monotonic() + ANSWER
    found: list[int] = []
    while not found and time.monotonic() < until:
        lines = [json.loads(line) for line in docker("logs", bare.id).splitlines()]
        found = [line["status"] for line in lines if line["route"] == "/health/live"]
    assert found == [200]


def test_it_answers_what_it_is_at_before_it_stops(image: str) -> None:
    body = json.dumps(EXAMPLE["row"]).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with running(image, *OPEN) as container:
        with socket.create_connection(("127.0.0.1", container.port), timeout=ANSWER) as connection:
            connection.sendall(head.encode() + body[:10])
            docker("exec", container.id, "python", "-m", "serving.health", "--directory", "/tmp/endpoint")
            docker("kill", "--signal", "TERM", container.id)
            connection.sendall(body[10:])
            assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
        assert container.exit_code() == 0
        assert '"message": "stopped"' in logs(container.id)


def test_a_mounted_bundle(image: str, tmp_path: Path) -> None:
    digest = heart_bundle(tmp_path / "bundle", strength=0.1)
    expected = json.loads((tmp_path / "bundle" / "serving.json").read_bytes())["example"]
    mount = ("--volume", f"{tmp_path / 'bundle'}:/bundle:ro")
    with running(image, *OPEN, "--digest", digest, "--version", "v7", options=mount) as container:
        status, answer = container.request("POST", "/predict", expected["row"])
    assert (status, answer["version"]) == (200, "v7")
    assert answer["probability"] == pytest.approx(expected["probabilities"][1], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param((), "error: bundle /bundle: model.onnx does not match its sha256", id="changed"),
        pytest.param(
            ("--digest", "0" * 64),
            "error: bundle /bundle: manifest.json does not have the expected digest 000000000000",
            id="another",
        ),
        pytest.param(
            ("--bundle", "/nothing"),
            "error: bundle /nothing: no readable manifest.json: No such file or directory",
            id="none",
        ),
    ],
)
def test_a_mounted_bundle_that_can_not_be_served(
    image: str, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    folder = shutil.copytree(BUNDLE, tmp_path / "bundle")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-1])
    assert ended(image, *options, options=("--volume", f"{folder}:/bundle:ro")) == (3, [says])


def test_a_bundle_from_s3_by_the_instances_role(image: str) -> None:
    with object_store() as store:
        server = os.environ["AWS_ENDPOINT_URL"]
        for path in BUNDLE.iterdir():
            store.put_object(Bucket=BUCKET, Key=f"models/{path.name}", Body=path.read_bytes())
        role = ("--env", f"AWS_ENDPOINT_URL={server}", "--env", f"AWS_METADATA_ENDPOINT={server}")
        address = ("--bundle", f"s3://{BUCKET}/models")
        with running(image, *OPEN, *address, options=role, port=free_port()) as container:
            assert predicted(container)["version"] == DIGEST[:12]
        store.put_object(Bucket=BUCKET, Key="models/model.onnx", Body=b"\0")
        says = f"error: bundle s3://{BUCKET}/models: model.onnx does not match its sha256"
        assert ended(image, *address, options=("--network", "host", *role)) == (3, [says])


def test_nowhere_to_write_is_said_in_one_line(image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", "--user", any_user(), image],
        capture_output=True, text=True, timeout=ANSWER, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["error: [Errno 30] Read-only file system: '/tmp/endpoint'"],
    )


def ended(image: str, *command: str, options: tuple[str, ...]) -> tuple[int, list[str]]:
    """Exit code and stderr of a container that does not serve."""
    done = subprocess.run(
        ["docker", "run", "--rm", *CONTAINED, "--user", any_user(), *options, image, *OPEN, *command],
        capture_output=True, text=True, timeout=ANSWER, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


def logs(container: str) -> str:
    """What it said on stderr."""
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, timeout=ANSWER, check=True)
    return done.stderr
