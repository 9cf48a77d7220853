"""With what a pipeline is submitted: where its steps are pods, one that fails is begun anew; here it is not."""

from __future__ import annotations

from typing import Any

import pytest

from cli.submission import prepared


class Pipeline:
    """Keeps the options it is given."""

    def with_options(self, **options: Any) -> dict[str, Any]:
        return options


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr("stacks.images.step_image", lambda: request.param)


@pytest.mark.parametrize("image", [None], indirect=True)
def test_a_step_that_runs_here_is_begun_once(image: None) -> None:
    assert prepared(Pipeline(), 2, settings={"experiment_tracker": {}}) == {"settings": {"experiment_tracker": {}}}


@pytest.mark.parametrize("image", ["registry.example/steps:1"], indirect=True)
def test_a_step_in_a_pod_is_begun_again_where_that_is_safe(image: None) -> None:
    found = prepared(Pipeline(), 2, settings={"experiment_tracker": {}})
    assert found["retry"].max_retries == 1
    assert found["settings"]["docker"]["parent_image"] == "registry.example/steps:1"
    assert "retry" not in prepared(Pipeline())
