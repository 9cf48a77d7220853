"""The queries of Argo's analysis, evaluated by Prometheus' own engine on what the real server counts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployers.kubernetes.analysis import SAMPLE, seen, verdict
from deployers.rollout import DeploymentConfig
from deployers.traffic import Guard
from project.paths import CONFIGS, ROOT
from project.strict_yaml import read_yaml
from serving.bundle import Model, load
from tests.broken_bundles import failing
from tests.serving_bundle import ROW, flower_bundle, heart_bundle
from tests.unit.serving.conftest import Asker, asker

ANALYSIS = ROOT / "k8s/overlays/eks/advanced/analysis.yaml"
GUARD = Guard(**read_yaml(CONFIGS / "deployment.yaml", DeploymentConfig).rollout.guard.model_dump())
BOUNDS = {"errors": GUARD.errors, "slow": GUARD.slow, "shift": GUARD.shift}
ARGUMENTS = {"canary": "next", "stable": "now", "namespace": "tabular"}
SCRAPES, SECONDS = 9, 15
"""Of the two minutes that a query looks at, the first of them before any request."""
PASSES, FAILS = [{"labels": "{}", "value": 0}], [{"labels": "{}", "value": 1}]
NONE: list[dict[str, Any]] = []
SICK = {**ROW, "ca": 3, "thal": 7, "cp": 4, "oldpeak": 4}
FLOWER = {"stem length": 30.0, "petals": 15, "colour": "yellow", "wild": True}


def ask(of: Asker, body: object, status: int) -> None:
    assert of(body=body).status == status


def unready(of: Asker) -> None:
    """A probe while no model serves."""
    routing, of.app.table.routing = of.app.table.routing, None
    assert of("/health/ready", method="GET").status == 503
    of.app.table.routing = routing


REQUESTS: Mapping[str, Callable[[Asker], object]] = {
    "healthy": lambda of: ask(of, ROW, 200),
    "sick": lambda of: ask(of, SICK, 200),
    "ten sick": lambda of: ask(of, [SICK] * 10, 200),
    "flower": lambda of: ask(of, FLOWER, 200),
    "slow": lambda of: ask(of, ROW, 200),
    "failed": lambda of: ask(of, {**ROW, "age": 77}, 500),
    "refused": lambda of: ask(of, {**ROW, "age": 999}, 422),
    "probe": lambda of: of("/health/ready", method="GET"),
    "unready": unready,
}


@dataclass(frozen=True, slots=True)
class Case:
    """What the canary and the stable pods are asked between two scrapes, and what the queries have to say of it."""

    canary: Mapping[str, int]
    stable: Mapping[str, int]
    errors: list[Any]
    slow: list[Any]
    shift: list[Any]


USUAL = {"healthy": 10, "probe": 3}
CASES = {
    "as the stable one": Case({"healthy": 10, "refused": 5}, USUAL, PASSES, PASSES, PASSES),
    "probes alone": Case({"probe": 30}, USUAL, NONE, NONE, NONE),
    "too few": Case({"healthy": 5, "failed": 1, "probe": 30}, USUAL, NONE, NONE, NONE),
    "errors": Case({"healthy": 9, "failed": 1}, USUAL, FAILS, PASSES, PASSES),
    "errors among many probes": Case({"healthy": 9, "failed": 1, "probe": 90}, USUAL, FAILS, PASSES, PASSES),
    "nothing but errors": Case({"failed": 10}, USUAL, FAILS, PASSES, NONE),
    "a probe that fails is no error": Case({"healthy": 10, "unready": 5}, USUAL, PASSES, PASSES, PASSES),
    "slow": Case({"healthy": 9, "slow": 1}, USUAL, PASSES, FAILS, PASSES),
    "slow among failed": Case({"healthy": 17, "slow": 1, "failed": 4}, USUAL, FAILS, PASSES, PASSES),
    "shift": Case({"sick": 10}, USUAL, PASSES, PASSES, FAILS),
    "shift against too few": Case({"sick": 10}, {"healthy": 6, "probe": 30}, PASSES, PASSES, NONE),
    "shift by few requests of many rows": Case({"ten sick": 6}, USUAL, NONE, NONE, NONE),
    "shift to a label of its own": Case({"healthy": 10}, {"flower": 10}, PASSES, PASSES, FAILS),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Model]:
    """A challenger that fails at high ages, and two champions."""
    folder = tmp_path_factory.mktemp("bundles")
    digests = {"hearts": heart_bundle(folder / "hearts"), "flowers": flower_bundle(folder / "flowers")}
    heart_bundle(folder / "failing")
    failing(folder / "failing")
    digests["failing"] = json.loads((folder / "failing" / "manifest.json").read_bytes())["digest"]
    return {name: load(folder / name, name, digest) for name, digest in digests.items()}


def scraped(of: Asker, requests: Mapping[str, int], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of a pod's `/metrics`, before each but the first the same requests; a clock says how long one takes."""
    texts = [of("/metrics", method="GET").body.decode()]
    for _ in range(SCRAPES - 1):
        for kind, number in requests.items():
            ticks = count(step=2 * GUARD.slow_seconds if kind == "slow" else GUARD.slow_seconds / 10)
            monkeypatch.setattr("serving.app.perf_counter", ticks.__next__)
            for _ in range(number):
                REQUESTS[kind](of)
        texts.append(of("/metrics", method="GET").body.decode())
    return texts


def series(texts: Sequence[str], namespace: str, pod: str) -> Iterable[dict[str, str]]:
    """What Prometheus keeps of a pod's texts, as `promtool test rules` takes it."""
    scrapes = [{f"{name}{{{labels}": value for name, labels, value in SAMPLE.findall(text)} for text in texts]
    for name in scrapes[-1]:
        labelled = f'{name},namespace="{namespace}",pod="{pod}"}}'
        yield {"series": labelled, "values": " ".join(scrape.get(name, "_") for scrape in scrapes)}


@pytest.mark.parametrize("name", CASES)
def test_a_query_says_what_the_guard_says(
    name: str, models: Mapping[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    served = models["flowers" if "flower" in case.stable else "hearts"]
    challenger = scraped(asker(models["failing"], tmp_path), case.canary, monkeypatch)
    champion = scraped(asker(served, tmp_path), case.stable, monkeypatch)
    expected = {"errors": case.errors, "slow": case.slow, "shift": case.shift}
    refused = verdict(seen([challenger[-1]]), seen([champion[-1]]).labels, GUARD)
    assert bool(refused) == (FAILS in expected.values()), refused
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on the path; .ci/schemas brings one")
    given = [
        *series(challenger, "tabular", "model-service-next-1"),
        *series(champion, "tabular", "model-service-now-1"),
        *series(champion, "another", "model-service-next-1"),
        *series(champion, "tabular", "another-service-next-1"),
    ]
    asked = []
    for metric in yaml.safe_load(ANALYSIS.read_text(encoding="utf-8"))["spec"]["metrics"]:
        query, of = metric["provider"]["prometheus"]["query"], metric["name"]
        for argument, value in ARGUMENTS.items():
            query = query.replace(f"{{{{args.{argument}}}}}", value)
        asked.append({"expr": f"({query}) > bool {BOUNDS[of]}", "eval_time": "2m", "exp_samples": expected[of]})
    assert [each["exp_samples"] for each in asked] == [case.errors, case.slow, case.shift]
    file, group = tmp_path / "queries.json", {"interval": f"{SECONDS}s", "input_series": given}
    file.write_text(json.dumps({"tests": [{**group, "promql_expr_test": asked}]}))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
