"""The verdicts on a version, by the run that judged it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tabular.gates import Verdict, Verdicts
from tracking import lineage as module
from tracking.lineage import lineage, verdicts_of

SAID = SimpleNamespace(load=lambda: Verdicts([Verdict("parity", True, "exact"), Verdict("size", False, "too big")]))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param({"verdicts": [SAID]}, ["pass  parity: exact", "FAIL  size: too big"], id="judged"),
        pytest.param({}, [], id="stopped while it promoted"),
        pytest.param(None, [], id="stopped before"),
    ],
)
def test_a_run_that_did_not_judge_to_the_end_has_no_verdicts(
    steps: dict[str, list[SimpleNamespace]] | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = {} if steps is None else {"judge_challenger": SimpleNamespace(outputs=steps)}
    runs = {"run": SimpleNamespace(steps=judged)}
    monkeypatch.setattr("zenml.client.Client", lambda: SimpleNamespace(get_pipeline_run=runs.__getitem__))
    assert verdicts_of("run") == expected
    assert verdicts_of("a run that was deleted") == []


def test_a_version_whose_run_was_deleted_is_told_from_its_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    provenance = {"zenml_run": "gone", "created": "2026-01-01", "commit": "c0ffee"}
    metrics = {"candidate": "forest", "parameters": {}}
    bundle = SimpleNamespace(
        digest="d", data_sha256="s", libraries={}, provenance=provenance, json=lambda _name: metrics
    )
    version = SimpleNamespace(name="v1", stage=None, run_metadata={"mlflow_run": "m"})
    monkeypatch.setattr(module, "_version", lambda _model, _version: version)
    monkeypatch.setattr(module, "bundle_of", lambda _version: bundle)
    monkeypatch.setattr("zenml.client.Client", lambda: SimpleNamespace(get_pipeline_run={}.__getitem__))
    found = lineage("pets", "v1")
    assert (found.zenml_run, found.files, found.gates, found.candidate) == ("gone", {}, [], "forest")
