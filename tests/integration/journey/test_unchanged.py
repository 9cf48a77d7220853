"""What is not run again where steps are pods, looked up in the store of a journey that ran here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from zenml.client import Client

from cli.submission import outputs
from cli.unchanged import identity, same_champion, same_run
from project.paths import ROOT
from tests.integration.conftest import Journey
from tests.integration.project_copy import zenml_of
from tracking.names import INPUTS

TRAINING = str(ROOT / "pipelines" / "training.py")


@pytest.fixture
def client(journey: Journey) -> Iterator[Client]:
    with zenml_of(journey.project) as found:
        yield found


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.images.step_image", lambda: "registry.example/steps:1")


def test_a_run_on_the_same_inputs_is_found_where_steps_are_pods(client: Client, elsewhere: None) -> None:
    (newest, *_) = client.list_pipeline_runs(
        pipeline="training", status="completed", sort_by="desc:created", size=1, hydrate=True
    ).items
    found = same_run("training", newest.config.extra[INPUTS])
    assert found is not None
    assert found.id == newest.id
    assert same_run("training", "0" * 64) is None
    assert same_run("monitoring", newest.config.extra[INPUTS]) is None


def test_where_steps_run_here_the_cache_is_as_good(client: Client) -> None:
    (newest, *_) = client.list_pipeline_runs(pipeline="training", status="completed", size=1, hydrate=True).items
    assert same_run("training", newest.config.extra[INPUTS]) is None


def test_a_former_run_counts_while_what_it_promoted_is_the_champion(
    client: Client, journey: Journey, elsewhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = journey.found["promotion"]["model"]
    (newest, *_) = client.list_pipeline_runs(
        pipeline="training", status="completed", sort_by="desc:created", size=1, hydrate=True
    ).items
    returned = outputs(newest)
    found = same_champion(name, returned)
    assert found is not None
    promotion = found["judge_challenger.promotion"].load()
    assert (promotion.version, promotion.digest) == (
        journey.found["promotion"]["version"],
        journey.found["promotion"]["digest"],
    )
    assert promotion.changed is False
    assert set(found) == set(returned)
    monkeypatch.setattr("tracking.versions.champion", lambda _: None)
    assert same_champion(name, returned) is None


def test_inputs_are_the_same_until_a_value_or_a_file_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(TRAINING, {"a": 1}, "b")
    assert identity(TRAINING, {"a": 1}, "b") == before
    assert identity(TRAINING, {"a": 2}, "b") != before
    assert identity(str(ROOT / "pipelines" / "monitoring.py"), {"a": 1}, "b") != before
    monkeypatch.setattr("steps.caching.LOCK", "requirements/steps.txt")
    assert identity(TRAINING, {"a": 1}, "b") != before
