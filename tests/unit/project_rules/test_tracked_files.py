"""Tracked files name no machine they were written on and no index they were installed from."""

from __future__ import annotations

import re

import pytest

from tests.unit.project_rules.tree import texts

FORBIDDEN = {
    "machine path": r"(?<![\w.])/(?:work|root|Users|home)/\w",
    "index address": r"(?:pypi|pythonhosted|npmjs|crates|golang|debian)\.(?:org|io|com)",
    "index option": r"--(?:index-url|extra-index-url|find-links|trusted-host)\b",
    "secret": r"AKIA[0-9A-Z]{16}|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY|gh[pousr]_\w{36}",
}


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_no_tracked_file_holds(kind: str) -> None:
    pattern = re.compile(FORBIDDEN[kind])
    assert [f"{path}: {match[0]}" for path, text in texts() for match in pattern.finditer(text)] == []


def test_a_noqa_says_why() -> None:
    bare = re.compile(r"# noqa(?:: *[A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)*)?$", re.MULTILINE)
    assert [path for path, text in texts() if path.endswith(".py") and bare.search(text)] == []
