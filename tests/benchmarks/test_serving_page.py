"""The benchmark's page: the targets beside what was measured, and the committed page of the shape that is generated."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.serving import report
from benchmarks.serving.environments import OURS
from benchmarks.serving.report import OUR_PREDICT, PAGE, Found, _targets

PEERS = {
    OUR_PREDICT: 6072.0, "ours, Seldon V1": 4763.0, "ours, Open Inference V2": 4042.0, "the sketch": 6329.0,
    "hello world": 11172.0, "MLServer, ONNX": 992.0, "MLflow, scikit-learn": 47.0,
}  # fmt: skip


def found(**other: float) -> Found:
    rates = {label: [rate, rate] for label, rate in {**PEERS, **other}.items()}
    return Found(rates={1: rates}, ready={OURS: 0.68}, worker=75.0)


def test_a_target_that_is_missed_is_said_plainly() -> None:
    said = _targets(found())
    assert "| ours, `/predict` over MLServer, ONNX | at least 8 | 6.1 | **missed** |" in said
    assert "| ours, `/predict` over the sketch | at least 0.8 | 0.96 | met |" in said
    assert said.endswith(
        "Missed in this run: ours, `/predict` over MLServer, ONNX: 6.1, not 8; that of hello world is 11.\n"
    )
    assert _targets(found(**{"MLServer, ONNX": 700.0})).endswith("None of them was missed in this run.\n")


def test_the_page_has_the_sections_of_its_template() -> None:
    template = Path(report.__file__).with_name("page.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## .*$", template, re.MULTILINE)
    assert "## What was asked for" in sections
    assert re.findall(r"^## .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE) == sections
