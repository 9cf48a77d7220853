"""Real servers that are guarded: by keys, limits here and in Redis, TLS; and what they never tell."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from project.paths import ROOT
from serving.keys import new_entry, write_keys
from tests.served import HOST, PATIENCE, Served, free_port, served, until
from tests.serving_bundle import ROW

KEYS = "keys.json"


def add_key(folder: Path, name: str, *scopes: str) -> str:
    """A key of this name, beside those that are there; the file is replaced as the command does."""
    path = folder / KEYS
    kept = json.loads(path.read_bytes())["keys"] if path.exists() else []
    key, entry = new_entry(name, list(scopes), None)
    write_keys(path, [*kept, entry])
    return key


def test_keys_are_needed_rotated_and_never_told(tmp_path: Path) -> None:
    """Keys change without a restart, and none stands in any file, answer or log that the server writes."""
    first = add_key(tmp_path, "first", "predict")
    with served(tmp_path, "--keys", str(tmp_path / KEYS), "--sample-rate", "1", workers=2, is_open=False) as server:
        refused = server.ask(body=ROW)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="model"')
        assert server.ask(body=ROW, headers={"x-api-key": first}).status == 200
        second = add_key(tmp_path, "second", "admin")
        sent = {"authorization": f"Bearer {second}", "x-api-key": second}
        until(lambda: [server.ask(body=ROW, headers=sent).status for _ in range(8)] == [200] * 8)
        state = server.ask("/traffic", headers=sent)
        assert (state.status, state.json["shares"]) == (200, {"1": 1.0})
        write_keys(tmp_path / KEYS, json.loads((tmp_path / KEYS).read_bytes())["keys"][1:])
        until(lambda: {server.ask(body=ROW, headers={"x-api-key": first}).status for _ in range(8)} == {401})
        told = [
            server.ask(path, body, {"x-api-key": key}, method).body
            for key in (first, second, f"{second} ")
            for method, path, body in (
                ("GET", "/metrics", None), ("GET", "/", None), ("GET", "/docs", None), ("GET", "/traffic", None),
                ("POST", "/predict", b"{"), ("POST", "/predict", ROW), ("POST", "/explain", {"age": 1000}),
                ("POST", "/nowhere", b""), ("POST", "/api/v1.0/feedback", {"reward": 1}),
            )
        ]  # fmt: skip
        command = " ".join(" ".join(each.cmdline()) for each in [*server.workers()])
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert {"requests.jsonl", "samples.jsonl", "server.log"} <= {path.name for path in tmp_path.iterdir()}
    for key in (first, second):
        assert not [text for text in (*told, *files, command.encode()) if key.encode() in text]


def test_a_worker_that_starts_without_its_key_file_says_so_in_its_log_and_comes_with_it(tmp_path: Path) -> None:
    key = add_key(tmp_path, "first", "predict")
    with served(tmp_path / "e", "--keys", str(tmp_path / KEYS), is_open=False) as server:
        (tmp_path / KEYS).rename(tmp_path / "away.json")
        server.workers()[0].kill()
        until(lambda: server.log().count("the worker can not start") == 2)
        (tmp_path / "away.json").rename(tmp_path / KEYS)
        until(lambda: len(server.acknowledged()) == 1)
        assert server.ask(body=ROW, headers={"x-api-key": key}).status == 200
    said = [json.loads(line)["message"] for line in server.log().splitlines()]
    reason = f"the worker can not start: key file {tmp_path / KEYS}: No such file or directory"
    assert said.count(reason) >= 2
    assert [" ended with 2 after " in each for each in said if "starting another" in each][1:3] == [True, True]


def test_a_server_without_keys_makes_one_and_says_it_once(tmp_path: Path) -> None:
    with served(tmp_path, is_open=False) as server:
        (line,) = [line for line in server.log().splitlines() if "X-API-Key" in line]
        key = line.split("X-API-Key: ")[1]
        assert server.ask(body=ROW).status == 401
        assert server.ask(body=ROW, headers={"x-api-key": key}).status == 200
        assert key not in "".join(path.read_text() for path in tmp_path.rglob("*.json*"))
        assert server.printed() == ""  # where a request log may go, of which each line is JSON


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--open", "--host", "0.0.0.0"], "would answer the whole network"),  # noqa: S104  it is refused
        (["--open", "--host", "::"], "would answer the whole network"),
        (["--open", "--host", ""], "would answer the whole network"),
        (["--open", "--keys", "keys.json"], "leave out --keys"),
        (["--keys", "missing.json"], "No such file"),
        (["--jwks", "missing.json"], "--jwt-issuer"),
        (["--jwks", "http://example.com/jwks", "--jwt-issuer", "i", "--jwt-audience", "a"], "begins with https://"),
        (["--tls-certificate", "missing.pem"], "go together"),
        (["--rate", "nan"], "--rate"),
        (["--rate", "inf"], "--rate"),
        (["--trusted-proxies", "nonsense"], "nonsense"),
        (["--redis", "localhost:6379"], "is no address"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_options_that_would_leave_it_open_are_refused_at_the_start(
    tmp_path: Path, options: list[str], said: str
) -> None:
    command = [sys.executable, "-m", "serving", "--directory", str(tmp_path), "--port", str(free_port()), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


def test_a_container_may_be_open_behind_a_port_published_on_loopback(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "0.0.0.0", "--published-on-loopback") as server:  # noqa: S104  as said
        assert server.ask(body=ROW).status == 200


def test_pages_of_other_hosts_may_not_ask_an_open_server(target: Served) -> None:
    """Also not after their name was turned to this machine: then `Host` and `Origin` are both theirs."""
    for origin in (
        "http://evil.example:8000",
        "null",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
    ):
        refused = target.ask(body=ROW, headers={"origin": origin, "host": origin.removeprefix("http://")})
        assert (refused.status, refused.json["type"]) == (403, "urn:problem:other-origin")
    for origin in (f"http://127.0.0.1:{target.port}", f"http://localhost:{target.port}", "http://[::1]:8000"):
        assert target.ask(body=ROW, headers={"origin": origin}).status == 200


def test_an_address_can_not_be_made_up(tmp_path: Path) -> None:
    """Without a trusted proxy X-Forwarded-For changes nothing; through one the address it adds counts."""
    options = ("--rate", "0.001", "--burst", "3")
    for proxies, expected in (([], [200] * 3 + [429] * 3), (["--trusted-proxies", "127.0.0.0/8"], [200] * 6)):
        with served(tmp_path / str(len(proxies)), *options, *proxies, workers=2) as server:
            asked = [server.ask(body=ROW, headers={"x-forwarded-for": f"198.51.100.{n}"}) for n in range(6)]
            assert [answer.status for answer in asked] == expected
            if not proxies:
                assert asked[-1].headers["retry-after"] == "1000"
                assert asked[-1].headers["ratelimit"] == '"address";r=0;t=3000'
                assert asked[-1].json["type"] == "urn:problem:too-many-requests"
            else:
                forged = [
                    server.ask(body=ROW, headers={"x-forwarded-for": f"203.0.113.{n}, 198.51.100.99"}).status
                    for n in range(5)
                ]
                assert forged == [200] * 3 + [429] * 2
                of_two = [
                    server.raw(_through_two_proxies(path, n)) for n in range(4) for path in ("predict", "explain")
                ]
                assert all(b" 200 OK" in answer for answer in of_two)


def _through_two_proxies(path: str, number: int) -> bytes:
    """A request to which each proxy has added a line of its own, as HAProxy does."""
    body = json.dumps(ROW)
    lines = [
        f"POST /{path} HTTP/1.1", "Host: x", f"X-Forwarded-For: 192.0.2.{number}", "Accept: */*",
        "X-Forwarded-For: 127.0.0.2", f"Content-Length: {len(body)}", "", body,
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@contextmanager
def redis(folder: Path, port: int) -> Iterator[None]:
    """A Redis of our own."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server on the path")
    command = [program, "--port", str(port), "--save", "", "--bind", HOST, "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: _answers(port))
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_replicas_share_a_limit_in_redis_and_limit_alone_while_it_is_away(tmp_path: Path) -> None:
    port = free_port()
    options = ("--rate", "0.001", "--burst", "4", "--redis", f"redis://{HOST}:{port}/0")
    with redis(tmp_path, port), served(tmp_path / "a", *options) as one, served(tmp_path / "b", *options) as other:
        found = [server.ask(body=ROW).status for server in (one, other) * 3]
        assert found == [200] * 4 + [429] * 2
    with served(tmp_path / "c", *options) as alone:  # nobody is there
        assert [alone.ask(body=ROW).status for _ in range(6)] == [200] * 4 + [429] * 2
        assert alone.log().count("Redis is away") == 1
        with redis(tmp_path, port):
            until(lambda: alone.ask(body=ROW).status == 200)
            assert "Redis is back" in alone.log()
            assert Counter(alone.ask(body=ROW).status for _ in range(6))[429] >= 3


def test_a_bucket_that_another_clock_wrote_locks_nobody_out(tmp_path: Path) -> None:
    """Redis failed over to a machine whose clock is an hour behind."""
    port = free_port()
    options = ("--rate", "0.1", "--burst", "2", "--redis", f"redis://{HOST}:{port}/0")
    with redis(tmp_path, port), served(tmp_path / "a", *options) as server:
        Redis(HOST, port).set(f"ratelimit:address:{HOST}", str(time.time() + 3600))
        assert [server.ask(body=ROW).status for _ in range(3)] == [200, 200, 429]


def test_many_requests_at_once_count_in_redis_exactly(tmp_path: Path) -> None:
    port = free_port()
    options = ("--rate", "0.001", "--burst", "40", "--redis", f"redis://{HOST}:{port}/0")
    with redis(tmp_path, port), served(tmp_path / "a", *options, workers=2) as server:
        found: list[int] = []

        def ask() -> None:
            found.extend(server.ask(body=ROW).status for _ in range(5))

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(found) == {200: 40, 429: 60}


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    found = folder / f"{name}.crt", folder / f"{name}.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", str(found[0]), "-keyout", str(found[1])], check=True, capture_output=True)
    return found


def shown(port: int, alpn: str) -> bytes:
    """The certificate that a server shows, of any issuer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    with (
        socket.create_connection((HOST, port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain) as connection,
    ):
        return connection.getpeercert(binary_form=True) or b""


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on the path")
@pytest.mark.slow
def test_a_renewed_certificate_is_shown_and_half_a_renewal_changes_nothing(tmp_path: Path) -> None:
    certificates = {name: certificate(tmp_path, name) for name in ("old", "new")}
    ders = {name: ssl.PEM_cert_to_DER_cert(files[0].read_text()) for name, files in certificates.items()}
    crt, key = tmp_path / "server.crt", tmp_path / "server.key"
    for source, target in zip(certificates["old"], (crt, key), strict=True):
        shutil.copy(source, target)
    with served(tmp_path / "e", "--tls-certificate", str(crt), "--tls-key", str(key)) as server:
        ports = {server.port: "http/1.1", server.grpc_port: "h2"}
        assert [shown(*each) for each in ports.items()] == [ders["old"]] * 2
        shutil.copy(certificates["new"][0], crt)
        until(lambda: "the old one stays" in server.log())
        assert [shown(*each) for each in ports.items()] == [ders["old"]] * 2
        shutil.copy(certificates["new"][1], key)
        until(lambda: "the certificate was read again" in server.log())
        assert [shown(*each) for each in ports.items()] == [ders["new"]] * 2


def test_what_clients_provoke_does_not_fill_the_log(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        before = len(server.log())
        for _ in range(300):
            server.raw(b"nonsense\r\n\r\n")
            server.raw(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert len(server.log()) == before


def test_the_request_log_and_the_samples_can_be_switched_off(tmp_path: Path) -> None:
    with served(tmp_path, "--request-log", "none", "--sample-rate", "0") as server:
        assert server.ask(body=ROW).status == 200
        assert server.ask("/api/v1.0/feedback", {"reward": 1, "truth": ROW}).status == 200
    assert list(tmp_path.glob("*.jsonl*")) == []
