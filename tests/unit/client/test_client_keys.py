"""An API key reaches its header as it is meant, and no text of an error."""

from __future__ import annotations

import pytest

from client import Client
from client.exchange import KEY

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize("kept", ["secret\n", " secret\r\n", "secret"])
def test_what_a_file_has_around_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    monkeypatch.setenv(KEY, kept)
    for key in (None, kept):
        with Client(URL, key) as client:
            assert client._http.headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("key", ["\n", ""])
def test_an_empty_key_is_none(key: str) -> None:
    with Client(URL, key) as client:
        assert "authorization" not in client._http.headers


@pytest.mark.parametrize("key", ["sec\nret", "sec\x00ret", "secr\u00e9t"])
def test_a_key_that_no_header_takes_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="the key has characters") as error:
        Client(URL, key)
    assert "sec" not in str(error.value)
