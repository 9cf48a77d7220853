"""The image of the steps: what it trains is what a laptop trains, byte for byte."""

from __future__ import annotations

import json

import pytest

from tests.docker.conftest import build
from tests.docker.engine import BUILD, BUNDLE, CONTAINED, any_user, docker

pytestmark = pytest.mark.docker


def test_any_user_trains_the_reference_bundle_in_it(base: str) -> None:
    image = build("steps")
    journey = "cp -r /app /tmp/work && cd /tmp/work && python run.py train --json"
    said = docker("run", "--rm", *CONTAINED, "--user", any_user(), image, "sh", "-c", journey, seconds=BUILD)
    promoted = json.loads(said)["promotion"]
    assert promoted["digest"] == json.loads((BUNDLE / "manifest.json").read_bytes())["digest"]
