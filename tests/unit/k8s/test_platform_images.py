"""Images of the platform and the registry they go to."""

from __future__ import annotations

import shutil

import pytest

from k8s.platform.images import provide
from project.errors import Unreachable
from tests.served import free_port


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker's command")
def test_a_registry_that_is_down_is_said_before_anything_is_built() -> None:
    registry = f"localhost:{free_port()}/tabular"
    with pytest.raises(Unreachable, match=f"the registry of {registry}/serving:[0-9a-f]+ does not answer: .* refused"):
        provide("serving", registry, "minikube")
