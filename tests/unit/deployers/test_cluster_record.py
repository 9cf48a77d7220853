"""Records of endpoints in a cluster: a damaged one is named, and hides none of the others."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from deployers.interface import Endpoint, Version
from deployers.kubernetes import endpoint_record
from deployers.kubernetes.cluster import Manifest
from deployers.kubernetes.endpoint_record import KEY, ClusterRecord
from project.errors import ProjectError

BASELINE = {"cat": 3}


class ConfigMaps:
    """Objects by name."""

    def __init__(self) -> None:
        self.found: dict[str, Manifest] = {}

    def apply(self, manifest: Manifest) -> Manifest:
        self.found[manifest["metadata"]["name"]] = manifest
        return manifest

    def get(self, kind: str, name: str) -> Manifest | None:
        return self.found.get(name)

    def list(self, kind: str, labels: Mapping[str, str]) -> list[Manifest]:
        return [each for each in self.found.values() if labels.items() <= each["metadata"]["labels"].items()]


def record(name: str) -> ClusterRecord:
    return ClusterRecord(Endpoint(name, "http://h", Version("1", "a" * 64, ""), (), "kubernetes"), BASELINE)


@pytest.fixture
def maps() -> ConfigMaps:
    found = ConfigMaps()
    for name in ("house_pets", "birds"):
        endpoint_record.write(found, record(name))  # type: ignore[arg-type]
    return found


def test_a_record_comes_back_as_it_was(maps: ConfigMaps) -> None:
    assert endpoint_record.read(maps, "house_pets") == record("house_pets")  # type: ignore[arg-type]
    assert endpoint_record.read(maps, "fish") is None  # type: ignore[arg-type]


def test_a_damaged_record_is_named_and_hides_no_other(maps: ConfigMaps) -> None:
    maps.found["house-pets-endpoint"]["data"][KEY] = "{"
    assert endpoint_record.names(maps) == ["birds", "house_pets"]  # type: ignore[arg-type]
    with pytest.raises(ProjectError) as caught:
        endpoint_record.read(maps, "house_pets")  # type: ignore[arg-type]
    assert caught.value.cause.startswith("the record in ConfigMap house-pets-endpoint is damaged: ")
    assert caught.value.next_step == "python run.py down --dataset house_pets, then deploy"
