"""The server's bundle from a folder or an S3 server: by every kind of role, checked, whole, or not at all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from project.paths import ROOT
from serving.manifest import BundleRefused, BundleUnreachable
from serving.s3 import pull
from serving.source import add_source_options, source_complaint
from tabular.bundle import digest_of, sha256
from tests.integration.object_store import BUCKET, object_store
from tests.served import until

BUNDLE = ROOT / "models" / "heart_disease"
PREFIX = "models/heart_disease"
ADDRESS = f"s3://{BUCKET}/{PREFIX}"
NOBODY = "http://127.0.0.1:9"
"""The discard service's port, where nothing listens."""


def stated(name: str) -> Any:
    return json.loads((BUNDLE / "manifest.json").read_bytes())[name]


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    with object_store() as client:
        yield client


@pytest.fixture
def uploaded(store: Any) -> Any:
    """A client of a store in which the reference bundle lies as it is in the tree."""
    for path in BUNDLE.iterdir():
        store.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{path.name}", Body=path.read_bytes())
    return store


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No keys in the environment, and no instance that would give any."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", NOBODY)
    return monkeypatch


def refusal(kind: type[Exception], below: Path, address: str = ADDRESS, digest: str | None = None) -> str:
    """Why a pull fails; whatever it is, no bundle may be left."""
    with pytest.raises(kind) as caught:
        pull(address, below / "bundles", digest)
    assert [path for path in below.rglob("*") if path.is_file()] == []
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"bundle {address}: ")


def serve(folder: Path, *options: str) -> list[str]:
    command = [sys.executable, "-m", "serving", "--directory", str(folder), "--port", "0", "--open"]
    return [*command, "--request-log", "none", *options]


def port_of(folder: Path, server: subprocess.Popen[bytes]) -> int:
    """Where the server of a folder listens, once it does."""
    until = time.monotonic() + 20
    while not (folder / "server.json").exists():
        assert server.poll() is None, server.communicate()
        assert time.monotonic() < until, "it did not listen"
        time.sleep(0.02)
    return int(json.loads((folder / "server.json").read_bytes())["port"])


def probe(folder: Path) -> tuple[int, str]:
    """What the health check of a container says of the server of a folder."""
    command = [sys.executable, "-m", "serving.health", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stdout


def answer(port: int) -> dict[str, Any]:
    """What a server predicts for the bundle's own example."""
    example = json.loads((BUNDLE / "serving.json").read_bytes())["example"]["row"]
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", json.dumps(example).encode())
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as response:
        value: dict[str, Any] = json.load(response)
    return value


@pytest.mark.parametrize(
    ("bundle", "options", "version"),
    [
        pytest.param(ADDRESS, ["--version", "v7"], "v7", id="from S3"),
        pytest.param("models/heart_disease", ["--digest", stated("digest")], stated("digest")[:12], id="a folder"),
    ],
)
def test_a_server_with_nothing_but_an_address(
    uploaded: Any, tmp_path: Path, bundle: str, options: list[str], version: str
) -> None:
    folder = tmp_path / "endpoint"
    command = serve(folder, "--bundle", bundle, *options)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as server:
        try:
            found = answer(port_of(folder, server))
            assert probe(folder)[0] == 0
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)
    expected = json.loads((BUNDLE / "serving.json").read_bytes())["example"]["probabilities"][1]
    assert (found["version"], found["probability"]) == (version, pytest.approx(expected, abs=1e-6))
    assert server.returncode == 0
    code, said = probe(folder)
    assert (code, "server.json" in said) == (1, True)


def test_a_model_that_fails_its_own_example_is_unhealthy_also_over_tls(tmp_path: Path) -> None:
    bundle, folder = shutil.copytree(BUNDLE, tmp_path / "bundle"), tmp_path / "endpoint"
    serving = json.loads((bundle / "serving.json").read_bytes())
    (bundle / "serving.json").write_text(
        json.dumps({**serving, "example": {**serving["example"], "probabilities": [0, 1]}})
    )
    files = {**stated("files"), "serving.json": sha256((bundle / "serving.json").read_bytes())}
    (bundle / "manifest.json").write_text(json.dumps({"format": 1, "files": files, "digest": digest_of(files)}))
    certificate, key = certificate_of(tmp_path, "127.0.0.1")
    command = serve(folder, "--bundle", str(bundle), "--tls-certificate", str(certificate), "--tls-key", str(key))
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as server:
        try:
            port_of(folder, server)
            until(
                lambda: [*folder.glob("workers/*.json")]
            )  # the health check waits for no worker that is still starting
            code, said = probe(folder)
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)
    assert (code, "the model misses its own example by 0.85" in said) == (1, True)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        pytest.param(["--bundle", "{damaged}"], 3, "error: bundle {damaged}: model.onnx does not match", id="damaged"),
        pytest.param(["--bundle", "{empty}"], 3, "error: bundle {empty}: no readable manifest.json", id="none"),
        pytest.param(
            ["--bundle", "{damaged}", "--digest", "0" * 64],
            3,
            "error: bundle {damaged}: manifest.json does not have the expected digest 000000000000",
            id="another",
        ),
        pytest.param(
            ["--bundle", "s3://tables/none"], 4, "error: bundle s3://tables/none: there is no", id="no object"
        ),
    ],
)
def test_what_can_not_be_served_is_said_in_one_line(
    store: Any, tmp_path: Path, options: list[str], code: int, says: str
) -> None:
    names = {"damaged": shutil.copytree(BUNDLE, tmp_path / "damaged"), "empty": tmp_path / "empty"}
    (tmp_path / "damaged" / "model.onnx").write_bytes(b"\0")
    command = serve(tmp_path / "endpoint", *(option.format(**names) for option in options))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, says.format(**names) in done.stderr.splitlines()[-1]) == (code, True), done.stderr
    assert not (tmp_path / "endpoint" / "traffic.json").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param(["--bundle", "gs://tables/none"], "'gs://tables/none' is no address", id="another store"),
        pytest.param(["--bundle", "s3://"], "'s3://' is no address", id="no bucket"),
        pytest.param(["--bundle", "b", "--digest", "../.."], "--digest '../..' is none", id="no digest"),
        pytest.param(["--bundle", "b", "--version", "é"], "--version 'é' can not stand", id="no version"),
        pytest.param(["--version", "v7"], "give that too", id="no bundle"),
    ],
)
def test_options_that_make_no_sense(options: list[str], says: str) -> None:
    parser = argparse.ArgumentParser()
    add_source_options(parser)
    assert says in source_complaint(parser.parse_args(options))
    assert source_complaint(parser.parse_args(["--bundle", ADDRESS, "--digest", stated("digest")])) == ""


def test_a_folder_that_can_not_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    command = serve(tmp_path / "file" / "endpoint", "--bundle", str(BUNDLE))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [f"error: [Errno 20] Not a directory: '{tmp_path}/file/endpoint'"],
    )


def test_it_comes_whole_and_is_known_by_its_digest(uploaded: Any, tmp_path: Path) -> None:
    path, manifest = pull(ADDRESS, tmp_path)
    assert (path, manifest.digest) == (tmp_path / stated("digest"), stated("digest"))
    names = ["manifest.json", *stated("files")]
    assert sorted(each.name for each in path.iterdir()) == sorted(names)
    assert [(path / name).read_bytes() for name in names] == [(BUNDLE / name).read_bytes() for name in names]


def test_one_that_is_here_needs_no_store(uploaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = pull(ADDRESS, tmp_path)
    (path / "model.onnx").write_bytes(b"\0")
    assert pull(ADDRESS, tmp_path, stated("digest")) == pull(ADDRESS, tmp_path)  # damaged here: comes once more
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    assert pull(ADDRESS, tmp_path, stated("digest"))[0] == path
    assert (path / "model.onnx").read_bytes() == (BUNDLE / "model.onnx").read_bytes()


@pytest.mark.parametrize("name", ["model.onnx", "reference.parquet"])
def test_a_changed_object_is_refused(uploaded: Any, tmp_path: Path, name: str) -> None:
    uploaded.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=b"\0")
    assert refusal(BundleRefused, tmp_path) == f"{name} does not match its sha256"


def test_a_half_uploaded_one_is_refused(uploaded: Any, tmp_path: Path) -> None:
    uploaded.delete_object(Bucket=BUCKET, Key=f"{PREFIX}/serving.json")
    assert refusal(BundleUnreachable, tmp_path) == "there is no serving.json (NoSuchKey)"


def test_another_digest_than_demanded_is_refused(uploaded: Any, tmp_path: Path) -> None:
    said = refusal(BundleRefused, tmp_path, digest="0" * 64)
    assert said == "manifest.json does not have the expected digest 000000000000"


@pytest.mark.parametrize("name", ["../outside", "/outside", "sub/file", ".hidden", "manifest.json", ""])
def test_a_name_that_leads_elsewhere_is_refused(uploaded: Any, tmp_path: Path, name: str) -> None:
    files = {**stated("files"), name: "0" * 64}
    manifest = {"format": 1, "files": files, "digest": digest_of(files)}
    uploaded.put_object(Bucket=BUCKET, Key=f"{PREFIX}/manifest.json", Body=json.dumps(manifest))
    assert refusal(BundleRefused, tmp_path) == f"manifest.json names {name!r}, which is no file of a bundle"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        pytest.param(f"s3://{BUCKET}/nothing", "there is no manifest.json (NoSuchKey)", id="prefix"),
        pytest.param(f"s3://{BUCKET}", "there is no manifest.json (NoSuchKey)", id="no prefix"),
        pytest.param("s3://nobodys/models", "there is no manifest.json (NoSuchBucket)", id="bucket"),
    ],
)
def test_no_such_bundle(store: Any, tmp_path: Path, address: str, says: str) -> None:
    assert refusal(BundleUnreachable, tmp_path, address) == says


def test_no_answer(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    assert refusal(BundleUnreachable, tmp_path) == f"{NOBODY} can not be reached: Connection refused"


def test_no_credentials(store: Any, tmp_path: Path, no_keys: pytest.MonkeyPatch) -> None:
    assert refusal(BundleUnreachable, tmp_path).startswith("no credentials: ")


def test_keys_that_nobody_knows(uploaded: Any, tmp_path: Path) -> None:
    judge_requests_after("0")
    try:
        said = refusal(BundleUnreachable, tmp_path)
    finally:
        judge_requests_after("inf")
    assert said == "manifest.json may not be read (InvalidAccessKeyId)"


def judge_requests_after(count: str) -> None:
    """The store answers so many requests to anyone."""
    address = f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth"
    urllib.request.urlopen(urllib.request.Request(address, count.encode(), {"content-type": "text/plain"})).close()


def test_an_instance_gives_its_role(uploaded: Any, tmp_path: Path, no_keys: pytest.MonkeyPatch) -> None:
    no_keys.setenv("AWS_METADATA_ENDPOINT", os.environ["AWS_ENDPOINT_URL"])
    assert pull(ADDRESS, tmp_path)[1].digest == stated("digest")


def test_a_container_gives_its_role(uploaded: Any, tmp_path: Path, no_keys: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("pod")
    with listening(Credentials) as address:
        no_keys.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://{address}/role")
        no_keys.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        assert pull(ADDRESS, tmp_path)[1].digest == stated("digest")


@pytest.fixture
def token_service(tmp_path: Path, no_keys: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """AWS's token service, for a service account whose token is in its file."""
    (tmp_path / "token").write_text("account")
    certificate, key = certificate_of(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    no_keys.setenv("SSL_CERT_FILE", str(certificate))
    no_keys.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/serving")
    no_keys.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    with listening(Tokens, context) as address:
        no_keys.setenv("AWS_ENDPOINT_URL_STS", f"https://{address}")
        yield no_keys


def test_a_service_account_gives_its_role(uploaded: Any, tmp_path: Path, token_service: pytest.MonkeyPatch) -> None:
    assert pull(ADDRESS, tmp_path)[1].digest == stated("digest")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            {"AWS_ROLE_ARN": "arn:aws:iam::1:role/other"}, "the token service refuses (AccessDenied)", id="role"
        ),
        pytest.param(
            {"SSL_CERT_FILE": os.devnull}, "the token service can not be reached: InvalidCertificate", id="certificate"
        ),
        pytest.param(
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "none"},
            "Generic S3 error: Failed to read token file 'none': No such file or directory (os error 2)",
            id="token",
        ),
    ],
)
def test_a_service_account_that_gets_no_role(
    uploaded: Any, tmp_path: Path, token_service: pytest.MonkeyPatch, change: dict[str, str], says: str
) -> None:
    for name, value in change.items():
        token_service.setenv(name, value)
    with pytest.raises(BundleUnreachable) as caught:
        pull(ADDRESS, tmp_path / "bundles")
    assert str(caught.value) == f"bundle {ADDRESS}: {says}"


def expires() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Credentials(BaseHTTPRequestHandler):
    """What a container's agent answers whoever has the token of its file."""

    def do_GET(self) -> None:
        self.reply(200 if self.headers["Authorization"] == "pod" else 401, json.dumps(self.role()))

    def role(self) -> dict[str, str]:
        return {"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c", "Expiration": expires()}

    def reply(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *said: Any) -> None:
        pass


class Tokens(Credentials):
    """What AWS's token service answers a service account."""

    def do_POST(self) -> None:
        known = f"{self.path} {self.rfile.read(int(self.headers.get('content-length') or 0)).decode()}"
        right = "WebIdentityToken=account" in known and "role%2Fserving" in known
        refused = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"
        self.reply(*(200, self.document()) if right else (403, refused))

    def document(self) -> str:
        fields = "".join(
            f"<{name}>{value}</{name}>"
            for name, value in {
                "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": expires(),
            }.items()
        )  # fmt: skip
        inner = (
            f"<AssumeRoleWithWebIdentityResult><Credentials>{fields}</Credentials></AssumeRoleWithWebIdentityResult>"
        )
        return f"<AssumeRoleWithWebIdentityResponse>{inner}</AssumeRoleWithWebIdentityResponse>"


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server of these answers."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate_of(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
    (folder / "tls.crt").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(private)
    return folder / "tls.crt", folder / "tls.key"
