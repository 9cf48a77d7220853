"""Traffic plans: who answers, who gets copies, and when a challenger has to go."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving import predictions
from serving.app import App
from serving.bundle import Model
from serving.http import Request
from serving.metrics import Metrics
from serving.rows import RowReader
from serving.traffic import TrafficTable
from tests.serving_bundle import ROW, heart_bundle
from tests.unit.serving.conftest import Asker

GUARD = {"errors": 0.1, "slow_seconds": 1.0, "slow": 0.5, "requests": 5}


class Endpoint:
    """An endpoint's folder with two versions, and the application on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.generation = folder, 0
        self.bundles = {}
        for version, threshold in (("v1", 0.43), ("v2", 0.0)):
            digest = heart_bundle(folder / version, threshold=threshold)
            self.bundles[version] = {"path": str(folder / version), "digest": digest}
        self.told: list[None] = []
        self.table, self.metrics = TrafficTable(folder, lambda: self.told.append(None)), Metrics()
        self.ask = Asker(App(self.table, self.metrics))

    def plan(self, mode: str, weights: Mapping[str, float], **more: Any) -> None:
        self.generation += 1
        plan = {"mode": mode, "weights": weights, **more}
        traffic = {"generation": self.generation, "plan": plan, "bundles": self.bundles}
        (self.folder / "traffic.json").write_text(json.dumps(traffic))
        self.table.refresh()
        assert self.table.error == ""

    def versions(self, requests: int, headers: Mapping[str, str] | None = None) -> Counter[str]:
        return Counter(self.ask(body=ROW, headers=headers).json["version"] for _ in range(requests))

    def break_version(self, version: str) -> None:
        """Let its session fail, as a graph does that meets an input it can not take."""
        (model,) = [model for model in self.models() if model.version == version]
        object.__setattr__(model, "one", None)

    def narrow_version(self, version: str) -> None:
        """Let its contract end below the age of `ROW`."""
        (model,) = [model for model in self.models() if model.version == version]
        columns = [replace(column, maximum=60.0) if column.name == "age" else column for column in model.rows.columns]
        object.__setattr__(model, "rows", RowReader(columns))

    def models(self) -> list[Model]:
        assert self.table.routing is not None
        return self.table.routing.models()


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return Endpoint(tmp_path)


def test_a_canary_gets_its_share(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 80, "v2": 20})
    found = endpoint.versions(400)
    assert found["v1"] + found["v2"] == 400
    assert 45 <= found["v2"] <= 120  # five standard deviations around 80


def test_a_new_plan_holds_from_the_next_request_on(endpoint: Endpoint) -> None:
    endpoint.plan("blue-green", {"v1": 100, "v2": 0})
    assert endpoint.versions(5) == {"v1": 5}
    endpoint.plan("blue-green", {"v1": 0, "v2": 100})
    assert endpoint.versions(5) == {"v2": 5}


def test_every_response_names_its_version(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50})
    for _ in range(10):
        response = endpoint.ask(body=ROW)
        assert response.headers["x-model-version"] == response.json["version"]
        assert response.headers["x-model-name"] == response.json["model"] == "heart_disease"


def test_in_an_ab_test_a_user_always_meets_the_same_version(endpoint: Endpoint) -> None:
    endpoint.plan("ab", {"v1": 50, "v2": 50})
    met = [endpoint.versions(3, {"x-user-id": f"user {number}"}) for number in range(60)]
    assert all(len(each) == 1 for each in met)
    assert 12 <= sum(each["v2"] == 3 for each in met) <= 48  # five standard deviations around 30
    assert len(endpoint.versions(3, {"x-request-id": "the-same"})) == 1


def test_an_ab_test_by_another_header(endpoint: Endpoint) -> None:
    endpoint.plan("ab", {"v1": 50, "v2": 50}, sticky="X-Patient")
    assert len({tuple(endpoint.versions(1, {"x-patient": "7", "x-user-id": str(user)})) for user in range(20)}) == 1


def test_a_shadow_is_compared_and_answers_nobody(endpoint: Endpoint) -> None:
    endpoint.plan("shadow", {"v1": 100, "v2": 0})
    versions = asyncio.run(_ask_and_wait(endpoint, 4))
    assert versions == ["v1"] * 4
    text = endpoint.ask("/metrics", method="GET").body.decode()
    assert 'shadow_requests_total{model="heart_disease",version="v2",outcome="different"} 4' in text
    assert 'predictions_total{model="heart_disease",version="v2",label="disease"} 0' in text


def test_a_shadow_that_fails_is_counted_and_nothing_else(endpoint: Endpoint) -> None:
    endpoint.plan("shadow", {"v1": 100, "v2": 0})
    endpoint.break_version("v2")
    assert asyncio.run(_ask_and_wait(endpoint, 2)) == ["v1", "v1"]
    assert endpoint.metrics.of(endpoint.models()[1]).shadow == {"failed": 2}


def test_what_a_challenger_fails_the_champion_answers(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50})
    endpoint.break_version("v2")
    assert endpoint.versions(20) == {"v1": 20}
    assert endpoint.metrics.of(endpoint.models()[1]).failed > 0
    assert endpoint.table.withdrawn == {}


def test_a_challenger_that_fails_too_often_is_withdrawn_everywhere(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50}, guard=GUARD)
    endpoint.break_version("v2")
    assert endpoint.versions(60) == {"v1": 60}
    reason = "5 of 5 requests failed, at most 10.0% may"
    assert endpoint.table.acknowledgement()["withdrawn"] == {"v2": reason}
    assert endpoint.metrics.of(endpoint.models()[0]).failed == 0
    assert len(endpoint.told) == 1

    another_worker = TrafficTable(endpoint.folder)
    another_worker.refresh()
    assert another_worker.acknowledgement()["withdrawn"] == {"v2": reason}
    assert another_worker.routing is not None
    assert another_worker.routing.challengers == ()

    endpoint.plan("canary", {"v1": 50, "v2": 50}, guard=GUARD)  # a new plan is a new chance
    assert endpoint.table.withdrawn == {}


def test_what_a_challenger_refuses_and_the_champion_takes_counts_as_failed(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50}, guard=GUARD)
    endpoint.narrow_version("v2")
    assert endpoint.versions(60) == {"v1": 60}
    assert endpoint.table.withdrawn == {"v2": "5 of 5 requests failed, at most 10.0% may"}
    assert endpoint.metrics.of(endpoint.models()[0]).failed == 0
    assert endpoint.metrics.of(endpoint.models()[0]).predicted == [60, 0]


def test_what_the_champion_refuses_too_is_no_failure(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50}, guard=GUARD)
    endpoint.narrow_version("v2")
    refused = [endpoint.ask(body={**ROW, "age": 200}) for _ in range(40)]
    assert {response.status for response in refused} == {422}
    assert {response.headers["x-model-version"] for response in refused} == {"v1", "v2"}
    assert endpoint.table.withdrawn == {}
    assert [endpoint.metrics.of(model).failed for model in endpoint.models()] == [0, 0]


def test_who_asks_for_a_version_is_told_what_that_one_refuses(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50})
    endpoint.narrow_version("v2")
    tensor = {"name": "features", "shape": [1, len(ROW)], "datatype": "FP64", "data": list(ROW.values())}
    found = {
        version: endpoint.ask(f"/v2/models/heart_disease/versions/{version}/infer", {"inputs": [tensor]})
        for version in ("v1", "v2")
    }
    assert {version: response.status for version, response in found.items()} == {"v1": 200, "v2": 422}
    assert found["v2"].headers["x-model-version"] == "v2"


def test_a_challenger_that_is_too_slow_is_withdrawn(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 50, "v2": 50}, guard={**GUARD, "slow_seconds": 0.0})
    endpoint.versions(40)
    assert endpoint.table.withdrawn == {"v2": "5 of 5 requests took over 0 ms, at most 50.0% may"}
    assert endpoint.versions(10) == {"v1": 10}


def test_a_plan_read_again_goes_on_counting(endpoint: Endpoint) -> None:
    endpoint.plan("canary", {"v1": 1, "v2": 99}, guard={**GUARD, "requests": 1000})
    endpoint.versions(10)
    endpoint.table.refresh()
    assert endpoint.table.routing is not None
    assert endpoint.table.routing.watches["v2"].requests >= 8


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (
            {"mode": "canary", "weights": {"v1": 50, "v9": 50}},
            "the plan names version v9, for which there is no bundle",
        ),
        ({"mode": "mirror", "weights": {"v1": 100}}, "no plan of this server: 'mirror'"),
        ({"mode": "replace", "weights": {"v1": 50, "v2": 50}}, "no plan of this server: 'replace'"),
        ({"mode": "shadow", "weights": {"v1": 50, "v2": 50}}, "no plan of this server: 'shadow'"),
        ({"mode": "canary", "weights": {}}, "no plan of this server: 'canary' with weights {}"),
        ({"mode": "canary", "weights": {"v1": 100}, "guard": {"errors": 1}}, "can not be read"),
    ],
)
def test_a_plan_that_is_refused_changes_nothing(endpoint: Endpoint, plan: Mapping[str, Any], reason: str) -> None:
    endpoint.plan("replace", {"v1": 100})
    traffic = {"generation": 9, "plan": plan, "bundles": endpoint.bundles}
    (endpoint.folder / "traffic.json").write_text(json.dumps(traffic))
    endpoint.table.refresh()
    assert reason in endpoint.table.error
    assert endpoint.versions(3) == {"v1": 3}


def test_more_copies_than_may_wait_are_dropped(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.shadow.WAITING", 0)
    endpoint.plan("shadow", {"v1": 100, "v2": 0})
    assert endpoint.versions(3) == {"v1": 3}
    assert endpoint.metrics.of(endpoint.models()[1]).shadow == {"dropped": 3}


def test_copies_of_large_requests_are_bounded_by_their_bytes(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.shadow.WAITING_BYTES", len(json.dumps(ROW)) - 1)
    endpoint.plan("shadow", {"v1": 100, "v2": 0})
    assert endpoint.versions(3) == {"v1": 3}
    assert endpoint.metrics.of(endpoint.models()[1]).shadow == {"dropped": 3}
    monkeypatch.setattr("serving.shadow.WAITING_BYTES", len(json.dumps(ROW)))
    for _ in range(3):  # one after the other they fit
        asyncio.run(_ask_and_wait(endpoint, 1))
    assert endpoint.metrics.of(endpoint.models()[1]).shadow == {"dropped": 3, "different": 3}


async def _ask_and_wait(endpoint: Endpoint, requests: int) -> list[str]:
    """Answers of one event loop, which ends when the copies have been compared."""
    app, versions = endpoint.ask.app, []
    (route,) = predictions.ROUTES
    for number in range(requests):
        answer = await app.answer(route, Request(json.dumps(ROW).encode(), str(number), {}))
        versions.append(json.loads(answer.body)["version"])
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    return versions
