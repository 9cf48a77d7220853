"""The key by which endpoints are asked, as a Secret has it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from deployers.client import Address
from deployers.kubernetes import credentials
from deployers.standalone import TARGET
from project.errors import ConfigError


class Secrets:
    """A namespace with one Secret."""

    namespace = TARGET.namespace

    def __init__(self, key: bytes) -> None:
        self.secret = {"data": {"key": base64.b64encode(key).decode()}}

    def get(self, kind: str, name: str) -> Any:
        return self.secret


def address(key: bytes) -> Address:
    return credentials.address(Secrets(key), TARGET, "heart_disease")  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", [b"secret", b"secret\n", b" secret\r\n"])
def test_what_a_file_has_around_a_key_is_no_part_of_it(kept: bytes) -> None:
    assert address(kept).headers == {"X-API-Key": "secret"}


@pytest.mark.parametrize("key", [b"sec\nret", "secr\u00e9t".encode()])
def test_a_key_that_no_header_takes_is_refused_and_not_repeated(key: bytes) -> None:
    with pytest.raises(ConfigError) as error:
        address(key)
    assert error.value.cause == "the `key` of Secret model-keys in tabular has characters that no header takes"
