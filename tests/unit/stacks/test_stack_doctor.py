"""Probes against real sockets, files and an S3 server, and how their findings read."""

import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from stacks import cluster_probes, probes
from stacks.doctor import Finding, _port, _run
from stacks.probes import Failure
from tests.kubeconfig import kubeconfig


class Answers(BaseHTTPRequestHandler):
    """Answers each path `/NUMBER…` with that status."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_answers(url: str) -> None:
    assert probes.answers(f"{url}/200", "fix") == f"{url}/200 answers 200"
    assert probes.answers(f"{url}/401", "fix") == f"{url}/401 answers 401"
    with pytest.raises(Failure) as failure:
        probes.answers(f"{url}/503", "start it")
    assert (failure.value.cause, failure.value.fix) == (f"{url}/503 answers 503", "start it")
    with pytest.raises(Failure, match="is not an http address"):
        probes.answers("ftp://x", "fix")


@pytest.mark.parametrize(
    ("status", "cause", "fix"),
    [
        (401, "refuses the user 'ada'", "correct the secret, then python run.py stack apply"),
        (403, "answers 403", "start MLflow with --allowed-hosts naming this host and port"),
        (500, "answers 500", "look into the MLflow server's log"),
    ],
)
def test_mlflow_says_why(url: str, status: int, cause: str, fix: str) -> None:
    with pytest.raises(Failure) as failure:
        probes.mlflow(f"{url}/{status}", "ada", "p")
    assert failure.value.cause == f"{url}/{status} {cause}"
    assert failure.value.fix == fix


def test_mlflow_lets_us_in(url: str) -> None:
    assert probes.mlflow(f"{url}/200/", "ada", "p") == f"{url}/200/ lets ada in"


def test_sqlite_file(tmp_path: Path) -> None:
    store = tmp_path / "deep" / "store.db"
    assert probes.sqlite_file(store) == f"{store} will be created; {tmp_path} can be written"
    store.parent.mkdir()
    store.write_text("no database, and longer than the header of one would be " * 4)
    with pytest.raises(Failure, match="can not be read: file is not a database"):
        probes.sqlite_file(store)
    assert probes.sqlite_file(store.with_name("new.db")).startswith(str(store.with_name("new.db")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Failure, match="can not be written: Permission denied"):
        probes.writable(tmp_path)


def test_s3_leaves_nothing_behind() -> None:
    import boto3
    from botocore.config import Config
    from botocore.stub import Stubber
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://{host}:{port}",
            region_name="us-east-1",
            aws_access_key_id="k",
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 1}),
        )
        client.create_bucket(Bucket="models")
        assert probes.s3("s3://models/zenml", client) == "s3://models/zenml can be written and read"
        assert "Contents" not in client.list_objects_v2(Bucket="models")
        with pytest.raises(Failure, match="NoSuchBucket") as missing:
            probes.s3("s3://other", client)
        assert missing.value.fix == "make the bucket other, or name another"
        with Stubber(client) as stub:
            stub.add_client_error("put_object", "InvalidAccessKeyId")
            with pytest.raises(Failure) as refused:
                probes.s3("s3://models", client)
        assert refused.value.fix == "correct the key or what it may do, then python run.py stack apply"
    finally:
        server.stop()
    with pytest.raises(Failure) as silent:
        probes.s3("s3://models", client)
    assert silent.value.fix == f"start what shall answer at http://{host}:{port}, or correct that address"


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("200", "ok"),
        ("404", "has no namespace 'heart'"),
        ("403", r"refuses us \(403\)"),
        ("500", "does not answer"),
    ],
)
def test_kubernetes(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, cause: str) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", f"{url}/{path}")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    if cause == "ok":
        assert cluster_probes.kubernetes("test", "heart") == "test has the namespace heart"
    else:
        with pytest.raises(Failure, match=cause):
            cluster_probes.kubernetes("test", "heart")
    with pytest.raises(Failure, match="no Kubernetes context 'other'"):
        cluster_probes.kubernetes("other", "heart")


def test_a_cluster_that_says_nothing_of_names_and_rights(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kubeconfig(tmp_path / "kubeconfig", f"{url}/404")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    with pytest.raises(Failure, match="the cluster's name server is not ready: pods find no other by its name") as name:
        cluster_probes.name_server("test")
    assert name.value.fix.startswith("kubectl --context test --namespace kube-system get pods")
    with pytest.raises(Failure, match="your own user may not create jobs in tabular") as own:
        cluster_probes.rights("test", "tabular", {"": [("create", "batch", "jobs")]})
    assert "`kubectl --context test auth whoami`" in own.value.fix


def test_a_port_that_is_free_or_taken(url: str) -> None:
    host, port = "127.0.0.1", int(url.rpartition(":")[2])
    with pytest.raises(Failure, match=f"{host}:{port} is taken by something that is no endpoint"):
        _port(host, port)  # `/health/live` is no status, so this server closes the connection
    free = HTTPServer((host, 0), Answers)
    number = free.server_port
    free.server_close()
    assert _port(host, number) == f"{host}:{number} is free"


def test_parts_run_side_by_side_and_a_late_one_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.doctor._DEADLINE", 0.7)

    def works() -> str:
        return "fine"

    def fails() -> str:
        raise Failure("no", "do this")

    def breaks() -> str:
        raise KeyError("what")

    def hangs() -> str:
        time.sleep(30)
        return "never"

    findings = _run({"one": works, "two": fails, "three": breaks, "four": hangs, "five": hangs})
    assert [(each.part, each.ok, each.detail) for each in findings] == [
        ("one", True, "fine"),
        ("two", False, "no"),
        ("three", False, "KeyError: 'what'"),
        ("four", False, "no answer within 0.7 s"),
        ("five", False, "no answer within 0.7 s"),
    ]


def test_lines() -> None:
    assert Finding("server", True, "answers").line() == "ok   server               answers"
    assert Finding("server", False, "silent", "start it").line().splitlines() == [
        "FAIL server               silent",
        "                          fix: start it",
    ]
