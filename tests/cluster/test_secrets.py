"""No password, key or token stands anywhere but in its Secret."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from collections.abc import Iterable, Iterator

import pytest
import yaml

from k8s.platform import credentials, manifests
from k8s.platform.programs import listed
from k8s.platform.settings import MODELS, SERVERS, Settings
from tests.cluster.conftest import kubectl, s3, said_by

pytestmark = pytest.mark.cluster
READ = "configmaps,services,deployments,replicasets,pods,jobs,seldondeployments,httproutes,events"
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"


@pytest.fixture(scope="module")
def values(platform: Settings) -> set[bytes]:
    """What the Secrets of both namespaces hold, as it is and as base64 has it."""
    found = [
        value.encode()
        for namespace in (MODELS, SERVERS)
        for each in listed("secrets", "--namespace", namespace)
        for name, value in credentials.known(each["metadata"]["name"], namespace).items()
        if not name.endswith("USERNAME")
    ]
    assert len(set(found)) >= 8
    assert min(map(len, found)) >= 16
    return {*found, *map(base64.b64encode, found)}


def test_no_manifest_holds_a_secret(platform: Settings, values: set[bytes]) -> None:
    objects = list(yaml.safe_load_all(manifests.rendered(platform)))
    assert "Secret" not in {each["kind"] for each in objects}
    live = kubectl("get", READ, "--all-namespaces", "--show-managed-fields", "--output", "json")
    assert list(shown(values, {"rendered": yaml.safe_dump_all(objects).encode(), "live": live.encode()}.items())) == []


def test_no_log_holds_a_secret(platform: Settings, variables: dict[str, str], values: set[bytes]) -> None:
    """Of the containers there are, and of those that they were before they were started anew.

    The S3 server says whose key it makes, by the key's id, as AWS does in its logs.
    """
    logs = {}
    for namespace in (MODELS, SERVERS):
        for pod in listed("pods", "--namespace", namespace):
            for container in pod["status"].get("containerStatuses", []):
                for state, previous in (("state", "false"), ("lastState", "true")):
                    if container[state].keys() & {"running", "terminated"}:
                        of = (pod["metadata"]["name"], "--container", container["name"], f"--previous={previous}")
                        said = said_by("kubectl", "logs", "--namespace", namespace, *of)
                        logs[of] = said.stdout.encode()
                        assert said.returncode == 0 or "NotFound" in said.stderr  # a step's pod goes after an hour
    assert len(logs) >= 3
    assert list(shown(values - {variables["MINIKUBE_S3_KEY"].encode()}, logs.items())) == []


def test_no_artifact_holds_a_secret(platform: Settings, variables: dict[str, str], values: set[bytes]) -> None:
    """Of all that runs and MLflow have stored, and of the bundles."""
    store = s3(platform, variables["MINIKUBE_S3_KEY"], variables["MINIKUBE_S3_SECRET"])
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=platform.bucket)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    if not keys:
        pytest.skip("nothing was stored yet: the tests of this folder that come before store a lot")
    artifacts = ((key, store.get_object(Bucket=platform.bucket, Key=key)["Body"].read()) for key in keys)
    assert list(shown(values, artifacts)) == []


def shown(values: set[bytes], texts: Iterable[tuple[object, bytes]]) -> Iterator[str]:
    """Where a value stands, and how it begins."""
    for where, text in texts:
        for part in unpacked(text):
            yield from (f"{where}: {value[:3]!r}..." for value in values if value in part)


def unpacked(text: bytes) -> Iterator[bytes]:
    """Bytes, and what they are an archive of."""
    yield text
    if text.startswith(GZIP):
        yield gzip.decompress(text)
    if text.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(text)) as archive:
            yield from map(archive.read, archive.namelist())
