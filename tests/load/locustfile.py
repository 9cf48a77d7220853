"""Users of the demo form and of the API, for locust: see README.md beside this file."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

from locust import HttpUser, between, task

BUNDLE = Path(__file__).resolve().parents[2] / "models" / "heart_disease"
ROW: dict[str, Any] = json.loads((BUNDLE / "serving.json").read_bytes())["example"]["row"]


class Ward(HttpUser):
    """Somebody who asks for one patient after the other, sometimes why, sometimes for a list, sometimes by mistake."""

    wait_time = between(0.1, 1)

    def on_start(self) -> None:
        """Send the key of `MODEL_API_KEY` with every request, where the server needs one."""
        if key := os.environ.get("MODEL_API_KEY"):
            self.client.headers["X-API-Key"] = key

    @task(20)
    def predict(self) -> None:
        """One row."""
        self.client.post("/predict", json=_patient())

    @task(3)
    def explain(self) -> None:
        """One row, and why."""
        self.client.post("/explain?budget_ms=50", json=_patient(), name="/explain")

    @task(1)
    def list_of_rows(self) -> None:
        """A list."""
        self.client.post("/predict", json=[_patient() for _ in range(100)], name="/predict, 100 rows")

    @task(1)
    def mistake(self) -> None:
        """A row that can not be; being refused is what should happen."""
        with self.client.post(
            "/predict", json={**ROW, "age": 630}, name="/predict, refused", catch_response=True
        ) as answer:
            if answer.status_code == 422:
                answer.success()


def _patient() -> dict[str, Any]:
    return {**ROW, "age": random.randint(29, 77), "chol": random.randint(130, 400)}  # noqa: S311  a patient, no secret
