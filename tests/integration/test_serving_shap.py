"""Explanations against those of the `shap` package: the same numbers for a linear model, a forest and three classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.bundle import load
from serving.explain import explain
from serving.http import Request
from tests.integration.venvs import Venvs
from tests.served import REFERENCE
from tests.serving_bundle import PENGUIN, ROW, heart_bundle, penguin_bundle

SHAP = """
    import json, sys
    import numpy as np
    import onnxruntime
    import shap

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3

    def values(case):
        session = onnxruntime.InferenceSession(case["model"], options)

        def probability(rows):
            rows = np.asarray(rows, dtype=np.float32)
            return session.run(["probabilities"], {"features": rows})[0][:, case["column"]].astype(float)

        background, row = np.array(case["background"], dtype=float), np.array(case["row"], dtype=float)
        explainer = shap.KernelExplainer(probability, background)
        # With as many samples as there are sets of features the kernel's values are exact.
        found = explainer.shap_values(row, nsamples=2 ** len(row), l1_reg=0, silent=True)
        return [found.tolist(), float(explainer.expected_value)]

    print(json.dumps([values(case) for case in json.loads(sys.argv[1])]))
"""
SICK = {**ROW, "cp": 4, "thalach": 108, "exang": True, "ca": 3, "thal": 7}


def forest(folder: Path) -> Path:
    heart_bundle(folder, forest=True)
    return folder


def penguins(folder: Path) -> Path:
    penguin_bundle(folder)
    return folder


CASES: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "logistic": (lambda _: REFERENCE, SICK),
    "logistic, much missing": (lambda _: REFERENCE, {"age": 50, "sex": 0, "cp": 2, "thalach": 160}),
    "forest": (forest, SICK),
    "three classes": (penguins, PENGUIN),
    "three classes, one value missing": (penguins, {**PENGUIN, "sex": None, "island": "Dream"}),
}


def explained(folder: Path, row: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The server's explanation, and what `shap` needs to make its own."""
    model = load(folder, "1", json.loads((folder / "manifest.json").read_bytes())["digest"])
    body = explain(model, Request(json.dumps(row).encode(), "id", {}, query=b"budget_ms=5000")).body
    found = json.loads(body)
    order = {name: number for number, name in enumerate(model.rows.names)}
    found["contributions"].sort(key=lambda each: order[each["feature"]])
    case = {
        "model": str(folder / "model.onnx"),
        "background": model.serving["background"],
        "row": [None if value != value else value for value in model.rows.check([row])[0]],  # noqa: PLR0124  NaN
        "column": list(model.classes).index(found["explained"]),
    }
    return found, case


@pytest.fixture(scope="module")
def both(venvs: Venvs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, list[float], float]]:
    """Of each case our explanation, shap's values and shap's baseline."""
    ours = [explained(make(tmp_path_factory.mktemp("bundle")), row) for make, row in CASES.values()]
    theirs = venvs.run("shap", SHAP, json.dumps([case for _, case in ours]))
    return {name: (own[0], *other) for name, own, other in zip(CASES, ours, theirs, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_contributions_are_those_of_shap(both: dict[str, tuple[Any, list[float], float]], name: str) -> None:
    found, values, baseline = both[name]
    contributions = [each["contribution"] for each in found["contributions"]]
    assert found["exact"]
    assert contributions == pytest.approx(values, abs=1e-5)
    assert found["baseline"] == pytest.approx(baseline, abs=1e-6)
    assert found["baseline"] + sum(contributions) == pytest.approx(found["probability"], abs=1e-6)
    assert max(map(abs, values)) > 0.01
