"""The parts of the local backend that need no server: bundles, ports, locks, records, telling processes apart."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployers.interface import Endpoint, Version
from deployers.local import LocalDeployer, bundles, ports, process
from deployers.local.lock import exclusive
from deployers.record import RECORD, Record, read_record, write_json
from project.errors import ConfigError, ProjectError, Refused, Unreachable
from project.paths import ROOT
from tests.serving_bundle import heart_bundle

HOST = "127.0.0.1"
COMMAND = "python run.py --stack local --dataset pets"


@pytest.fixture(scope="module")
def heart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("heart")
    return folder, heart_bundle(folder)


def test_a_bundle_is_copied_whole(heart: tuple[Path, str], tmp_path: Path) -> None:
    assert bundles.install(heart[0], tmp_path / "b").digest == heart[1]
    copy = tmp_path / "b" / heart[1][:12]
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == {p.name: p.read_bytes() for p in heart[0].iterdir()}


def test_a_damaged_copy_is_made_good(heart: tuple[Path, str], tmp_path: Path) -> None:
    bundles.install(heart[0], tmp_path)
    copy = bundles.place(tmp_path, heart[1])
    (copy / "model.onnx").write_bytes(b"damaged")
    bundles.install(heart[0], tmp_path)
    assert (copy / "model.onnx").read_bytes() == (heart[0] / "model.onnx").read_bytes()


def test_a_full_disk_leaves_nothing_behind(
    heart: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "model.onnx":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        bundles.install(heart[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_prune_keeps_what_it_is_told(tmp_path: Path) -> None:
    for digest in ("a" * 12, "b" * 12, ".incoming-x"):
        (tmp_path / digest).mkdir()
    bundles.prune(tmp_path, ["b" * 64])
    assert [path.name for path in tmp_path.iterdir()] == ["b" * 12]


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener


def free() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def test_the_configured_port_if_it_is_free() -> None:
    port = free()
    assert ports.choose(HOST, port, None, set(), COMMAND) == port


def test_a_stranger_on_the_port_is_named(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        ports.choose(HOST, port, None, set(), COMMAND)
    assert caught.value.cause.startswith(f"port {port} is held by process {os.getpid()} (")
    assert re.fullmatch(rf"stop it, or {COMMAND} --port \d+", caught.value.next_step)


def test_our_other_endpoints_are_stepped_over(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    assert ports.choose(HOST, port, None, {port}, COMMAND) > port


def test_an_endpoint_keeps_its_port() -> None:
    kept, configured = free(), free()
    assert ports.choose(HOST, configured, kept, set(), COMMAND) == kept


def test_a_lost_port_is_not_left_in_silence(taken: socket.socket) -> None:
    kept = taken.getsockname()[1]
    with pytest.raises(Unreachable, match=f"port {kept} is held by"):
        ports.choose(HOST, kept, kept, set(), COMMAND)


def test_a_lost_port_is_left_when_another_is_asked_for(taken: socket.socket) -> None:
    other = free()
    assert ports.choose(HOST, other, taken.getsockname()[1], set(), COMMAND) == other


def test_an_address_of_another_machine() -> None:
    with pytest.raises(Unreachable, match=r"can not listen on 192\.0\.2\.1:8000"):
        ports.choose("192.0.2.1", 8000, None, set(), COMMAND)


def test_a_lock_says_who_holds_it_and_ends_with_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from deployers.local.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'deploy x'): print('held', flush=True); sys.stdin.read()"
    )
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Refused) as caught, exclusive(lock, "roll x back"):
            pass
        assert caught.value.cause.startswith(f"can not roll x back: process {holder.pid} (deploy x, since 20")
        holder.kill()
        holder.wait()
        with exclusive(lock, "roll x back"):
            assert lock.read_text().startswith(f"process {os.getpid()} (roll x back")


def a_record() -> Record:
    previous = (
        Version("2", "b" * 64, "2026-01-02T00:00:00+00:00", withdrawn=True),
        Version("1", "a" * 64, "2026-01-01"),
    )
    endpoint = Endpoint("heart", "http://h:1", Version("3", "c" * 64, "2026-01-03"), previous, "local", "s", {"age": 1})
    return Record(endpoint, HOST, 1, 42, 1.5)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / RECORD, a_record().as_json())
    assert read_record(tmp_path) == a_record()
    assert [path.name for path in tmp_path.iterdir()] == [RECORD]


def test_the_target_of_a_rollback_is_no_withdrawn_version() -> None:
    target = a_record().endpoint.target
    assert target is not None
    assert target.version == "1"


def test_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "name": "x"}', "\x00"])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(ProjectError) as caught:
        read_record(tmp_path)
    assert caught.value.cause.startswith(f"the endpoint record {tmp_path / RECORD} is damaged")
    assert "down --dataset" in caught.value.next_step


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param({"pid": os.getpid(), "port": 1, "workers": 1}, id="a pid that another process has by now"),
        pytest.param({"pid": 2**22 + 1, "port": 1, "workers": 1}, id="a pid that no process has"),
        pytest.param({"pid": "x"}, id="damaged"),
    ],
)
def test_a_stale_server_file_is_no_server(tmp_path: Path, stated: object) -> None:
    (tmp_path / process.SERVER).write_text(json.dumps(stated))
    assert process.running(tmp_path) is None
    assert process.stop(tmp_path) is False


def test_a_server_that_can_not_start_says_why(taken: socket.socket, tmp_path: Path) -> None:
    port = taken.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        process.start(tmp_path, HOST, port)
    cause = f"the server did not start: can not listen on {HOST}:{port}: Address already in use"
    assert caught.value.cause == f"{cause}; stop what listens there, or choose another --port"


def test_a_long_log_is_put_aside(taken: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 3)
    (tmp_path / process.LOG).write_text("long\n")
    with pytest.raises(Unreachable):
        process.start(tmp_path, HOST, taken.getsockname()[1])
    assert (tmp_path / "server.log.1").read_text() == "long\n"


@pytest.mark.parametrize(
    ("log", "said"),
    [("", "it said nothing"), ("Traceback\nValueError: x\n", "ValueError: x"), ('{"message": "m"}\n', "m")],
)
def test_the_last_line_of_a_log(tmp_path: Path, log: str, said: str) -> None:
    (tmp_path / process.LOG).write_text(log)
    assert process.last_line(tmp_path) == said


@pytest.mark.parametrize("name", ["", ".", "..", "../mine", "/etc", "a/b", "n" * 300])
def test_a_name_that_leads_out_of_the_folder_touches_nothing(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "mine"
    (mine / "bundles").mkdir(parents=True)
    (mine / RECORD).write_text("mine")
    deployer = LocalDeployer(tmp_path / "endpoints")
    for command in (deployer.down, deployer.status, deployer.rollback, deployer.check):
        with pytest.raises(ConfigError, match="can not name an endpoint"):
            command(name)
    assert sorted(path.name for path in mine.iterdir()) == ["bundles", RECORD]
