"""`zenml login --local` shows what a run did: the graph, the model card, the drift report."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from project.paths import REPORTS
from tests.integration.browser import Browser
from tests.integration.conftest import Journey
from tests.integration.project_copy import zenml_of
from tests.served import free_port

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SCREENSHOTS = REPORTS / "dashboard"
DAEMON = "zenml.services.local.local_daemon_entrypoint"


@pytest.fixture(scope="module")
def dashboard(journey: Journey) -> Iterator[str]:
    """The address of the dashboard over the project's store; its first-visit questions are answered."""
    project, port = journey.project, free_port()
    environment = {**project.environment, "ZENML_ANALYTICS_OPT_IN": "false", "ZENML_AUTO_OPEN_DASHBOARD": "false"}

    def zenml(*arguments: str) -> None:
        command = [str(Path(sys.executable).parent / "zenml"), *arguments]
        subprocess.run(command, cwd=project.root, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=180)

    with project.restored("../zenml/config.yaml"):
        zenml("login", "--local", "--port", str(port))
        url = f"http://127.0.0.1:{port}"
        token = _ask(url, "POST", "/login", b"username=default&password=")["access_token"]
        answers = {"email_opted_in": False, "user_metadata": {"finished_onboarding_survey": True}}
        _ask(url, "PUT", "/current-user", json.dumps(answers).encode(), token)
        (daemon,) = [process for process in project.processes() if DAEMON in process.cmdline()]
        yield url
        zenml("logout", "--local")
        daemon.wait(60)  # logout asks it to end and does not wait


@pytest.fixture(scope="module")
def runs(journey: Journey) -> dict[str, str]:
    """Pipeline name to the id of its first run."""
    with zenml_of(journey.project) as client:
        names = ("training", "deployment", "monitoring")
        return {name: str(client.list_pipeline_runs(pipeline=name, sort_by="asc:created")[0].id) for name in names}


def test_the_graph_of_the_training_run(
    journey: Journey, runs: dict[str, str], dashboard: str, browser: Browser
) -> None:
    browser.open(f"{dashboard}/projects/default/runs/{runs['training']}")
    scores = [f"score_{score['candidate']}" for score in journey.found["leaderboard"]]
    browser.wait_for("load_rows", "split_rows", *scores, "package_model", "judge_challenger", "Run Insights")
    browser.screenshot(SCREENSHOTS / "run.png")
    assert "Failed\n0" in browser.text().replace("\n\n", "\n")


def test_the_model_card(journey: Journey, runs: dict[str, str], dashboard: str, browser: Browser) -> None:
    browser.open(f"{dashboard}/projects/default/runs/{runs['training']}")
    _preview(browser, "bundle")
    threshold = str(journey.found["threshold"])
    browser.wait_for_frame("Heart disease (UCI)", "Diameter narrowing", "cross-validated loss", threshold)
    browser.screenshot(SCREENSHOTS / "model_card.png")


def test_the_drift_report(journey: Journey, runs: dict[str, str], dashboard: str, browser: Browser) -> None:
    browser.open(f"{dashboard}/projects/default/runs/{runs['monitoring']}")
    _preview(browser, "drift_report")
    (drift,) = journey.found["drift"]
    browser.wait_for_frame(f"Drift at {drift['site']}: {drift['outcome']}", drift["next_command"], *drift["worst"])
    browser.screenshot(SCREENSHOTS / "drift_report.png")


def _preview(browser: Browser, artifact: str) -> None:
    """Open an artifact of the graph, then its page, as a user clicks."""
    browser.click(artifact)
    browser.wait_for("Producer Step")
    browser.click("Visualization")
    browser.click("Load Preview")


def _ask(url: str, method: str, path: str, body: bytes, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(f"{url}/api/v1{path}", data=body, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
