"""What `status` says to people of an endpoint that is not as its record says."""

from __future__ import annotations

import pytest

from cli.endpoint import _text
from deployers.interface import Endpoint, Status, Version

CURRENT, BEFORE, NEW = (Version(f"v{number}", str(number) * 64, "2026-01-01") for number in (2, 1, 3))


@pytest.mark.parametrize(("serving", "said"), [("v2", False), ("v3", False), (None, False), ("v1", True)])
def test_an_answer_of_a_version_that_has_no_share_is_said(serving: str | None, said: bool) -> None:
    endpoint = Endpoint("pets", "http://h", CURRENT, (BEFORE,), "kubernetes", beside=(NEW,))
    lines = _text(Status(endpoint, True, "", serving)).splitlines()
    assert ("  answers   v1, which is none of these: python run.py deploy" in lines) is said
