"""MLflow's scoring protocol: its own client against this server."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tests.served import Served
from tests.serving_bundle import PENGUIN


def scored(server: Served, data: object) -> pd.DataFrame:
    client = ScoringServerClient("127.0.0.1", server.port)  # type: ignore[no-untyped-call]
    client.wait_server_ready(timeout=5)  # type: ignore[no-untyped-call]
    found: pd.DataFrame = client.invoke(data).get_predictions()
    return found


def test_frames_and_matrices(open_server: Served, row: dict[str, Any], probability: float) -> None:
    for data in (pd.DataFrame([row, row]), np.array([list(row.values())] * 2, dtype=float)):
        found = scored(open_server, data)
        assert list(found.columns) == ["prediction", "probability", "label"]
        assert found["probability"].tolist() == pytest.approx([probability] * 2, abs=1e-6)
        assert found["label"].tolist() == ["no disease"] * 2


def test_what_is_missing_in_a_frame_was_not_measured(open_server: Served, row: dict[str, Any]) -> None:
    found = scored(open_server, pd.DataFrame([{**row, "thalach": np.nan}]))
    expected = open_server.post("/predict", {**row, "thalach": None})
    assert found["probability"].tolist() == pytest.approx([expected["probability"]], abs=1e-6)


def test_three_classes_and_texts(penguins: Served) -> None:
    found = scored(penguins, pd.DataFrame([PENGUIN]))
    assert found["label"].tolist() == ["Adelie"]
    assert found["probability"][0] == pytest.approx(penguins.post("/predict", PENGUIN)["probability"], abs=1e-6)


def test_a_refusal_reaches_its_user(open_server: Served, row: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"error code 422, .*row 1: age is 200"):
        scored(open_server, pd.DataFrame([{**row, "age": 200}]))
