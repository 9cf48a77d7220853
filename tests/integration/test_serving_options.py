"""What the command line refuses, and what the server does with the options that it takes."""

from __future__ import annotations

import http.client
import json
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from project.paths import ROOT
from tests.served import HOST, PATIENCE, REFERENCE, Served, served, until
from tests.serving_bundle import ROW


def start(folder: Path, *options: str) -> tuple[int, list[str]]:
    """Exit code and stderr of a server that does not serve."""
    command = [sys.executable, "-m", "serving", "--directory", str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--port", "99999"], "--port: 99999 is no port; it is a number from 1 to 65535", id="port"),
        pytest.param(["--grpc-port", "99999"], "--grpc-port: 99999 is no port", id="gRPC port"),
        pytest.param(["--port", "-1"], "--port: -1 is no port", id="negative port"),
        pytest.param(["--port", "80x"], "--port: 80x is no port", id="port of letters"),
        pytest.param(["--port", "81", "--grpc-port", "81"], "--port and --grpc-port are two ports", id="one port"),
        pytest.param(["--cors-origins", "foo"], "--cors-origins 'foo' is no origin", id="no origin"),
        pytest.param(["--cors-origins", "https://a.example/"], "'https://a.example/' is no origin", id="with a path"),
        pytest.param(["--cors-origins", "https://A.example"], "'https://A.example' is no origin", id="in capitals"),
        pytest.param(["--cors-origins", "*"], "'*' is no origin", id="every origin"),
        pytest.param(["--log-megabytes", "0"], "--log-megabytes: 0 is no size of a file", id="no log file"),
        pytest.param(
            ["--log-megabytes", "1.5"],
            "--log-megabytes: 1.5 is no size of a file; it is a whole number of megabytes, at least 1",
            id="log file of no whole size",
        ),
        pytest.param(
            ["--sample-rate", "some"], "--sample-rate: some is no share; it is a number from 0 to 1", id="share"
        ),
        pytest.param(["--sample-rate", "1.1"], "--sample-rate: 1.1 is no share", id="more than all"),
        pytest.param(["--rate", "fast"], "--rate: fast is no rate; it is a number of requests", id="rate"),
        pytest.param(
            ["--burst", "0"], "--burst: 0 is no burst; it is a whole number of requests, at least 1", id="burst"
        ),
        pytest.param(
            ["--workers", "two"], "--workers: two is no number of workers; it is a whole number", id="worker of letters"
        ),
        pytest.param(["--request-log", "/none/x"], "/none is no folder that can be written", id="no folder"),
        pytest.param(["--request-log", "sub/x"], "sub is no folder that can be written", id="no folder below"),
        pytest.param(["--request-log", "/tmp"], "'/tmp' is a folder", id="a folder"),
        pytest.param(["--request-log", ""], "'' is a folder", id="no name"),
        pytest.param(["--request-log", "samples.jsonl"], "is where sampled inputs go", id="the samples"),
        pytest.param(
            ["--bundle", "b", "--version", "a/b"], "--version 'a/b' can not stand in an address", id="version"
        ),
        pytest.param(["--host", "0.0.0.0"], "alone add --published-on-loopback", id="open to all"),  # noqa: S104  refused, not opened
    ],
)
def test_an_option_that_makes_no_sense_is_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    code, said = start(tmp_path / "endpoint", "--open", *options)
    assert (code, says in said[-1]) == (2, True), said
    assert not [line for line in said if "Traceback" in line]


def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = start(tmp_path / "endpoint", "--open", "--port", str(port))
        assert code == 1
        says = f"can not listen on {HOST}:{port}: Address already in use; stop what listens there, or choose another "
        assert json.loads(said[-1])["message"] == f"{says}--port"
        code, said = start(tmp_path / "endpoint", "--open", "--port", "0", "--grpc-port", str(port))
        assert (code, json.loads(said[-1])["message"]) == (1, f"{says}--grpc-port")


def test_a_folder_that_another_server_has_stays_as_it_is(tmp_path: Path) -> None:
    with served(tmp_path / "endpoint", is_open=False) as first:
        until((first.folder / "accepted.json").exists)
        names = ("accepted.json", "one-time-key.json", "server.json", "traffic.json")
        before = [(first.folder / name).read_bytes() for name in names]
        options = ["--bundle", str(REFERENCE), "--version", "other"]
        for port in (first.port, 0):
            code, said = start(first.folder, *options, "--port", str(port))
            says = f"error: {first.folder} is another server's; stop that one, or give another --directory"
            assert (code, said) == (1, [says])
        assert [(first.folder / name).read_bytes() for name in names] == before
        assert first.post("/predict", ROW)["version"] == "1"
        first.process.kill()
        first.process.wait(PATIENCE)
        with served(first.folder) as second:
            assert second.ask(body=ROW).json["version"] == "1"


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "server.json").mkdir()
    code, said = start(tmp_path, "--open", "--port", "0")
    assert (code, [json.loads(line)["message"] for line in said]) == (
        1,
        [f"{tmp_path / 'server.json'} can not be written: Is a directory"],
    )


def test_an_endpoint_that_is_not_there_yet(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "serving",
        "--directory",
        str(tmp_path / "new" / "endpoint"),
        "--open",
        "--port",
        "0",
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        until((tmp_path / "new" / "endpoint" / "server.json").exists)
        server.terminate()
        assert server.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def logging(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The folder of a server that kept many samples in small files."""
    folder = tmp_path_factory.mktemp("endpoint")
    body = json.dumps(ROW).encode().ljust(60_000)
    with served(folder, "--sample-rate", "1", "--log-megabytes", "1") as server:
        connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
        for _ in range(150):
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            response = connection.getresponse()
            assert response.read()
            assert response.status == 200
            time.sleep(0.02)  # what comes faster than a disk might take it is dropped, and counted
        connection.close()
        return server


def test_no_log_file_is_larger_than_it_may_be(logging: Served) -> None:
    sizes = {path.name: path.stat().st_size for path in logging.folder.glob("samples.jsonl*")}
    assert len(sizes) > 2
    assert max(sizes.values()) <= 1 << 20, sizes


def test_nobody_else_may_read_the_samples(logging: Served) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in logging.folder.glob("samples.jsonl*")}
    assert modes == {0o600}


@pytest.mark.parametrize(
    ("path", "cache"),
    [("/", "no-cache"), ("/docs", "no-cache"), ("/health", "no-store"), ("/openapi.json", "no-store")],
)
def test_an_answer_says_once_how_long_it_may_be_kept(open_server: Served, path: str, cache: str) -> None:
    for _ in range(2):  # a page is made once
        connection = http.client.HTTPConnection(HOST, open_server.port, timeout=PATIENCE)
        connection.request("GET", path)
        headers = connection.getresponse().getheaders()
        connection.close()
        assert [value for name, value in headers if name.lower() == "cache-control"] == [cache]


def test_a_stop_writes_down_what_was_answered_before(tmp_path: Path) -> None:
    with served(tmp_path / "endpoint") as server:
        found = [server.ask(body=ROW).status for _ in range(5)]
    lines = (tmp_path / "endpoint" / "requests.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == found == [200] * 5
