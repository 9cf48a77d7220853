"""A run that ended elsewhere: its steps are said as those of a local one, its failure is the step's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from project.paths import ROOT

SCRIPT = """
import json, logging
from zenml import pipeline, step
from zenml.client import Client
from cli.follow import followed
from project.errors import ProjectError, Refused

@step
def look() -> int:
    return 1

@step
def judge(number: int, how: str) -> None:
    if how == "refused":
        raise Refused("the gate says no. It is shut", "open it")
    if how == "broken":
        raise ValueError("a number\\n  is wrong")

@pipeline
def journey(how: str) -> None:
    judge(look(), how)

lines = []
class Kept(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("cli.follow").addHandler(Kept())
logging.getLogger("cli.follow").setLevel(logging.INFO)
found = {}
for how in ("well", "refused", "broken"):
    try:
        journey(how)
    except Exception:
        pass
    (run,) = Client().list_pipeline_runs(sort_by="desc:created", size=1).items
    lines.clear()
    try:
        ended = followed(run)
        found[how] = {"status": str(ended.status), "lines": list(lines)}
    except ProjectError as error:
        found[how] = {
            "error": type(error).__name__, "cause": error.cause, "next": error.next_step, "run": str(run.id),
            "lines": list(lines),
        }
print("FOUND" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    home = tmp_path_factory.mktemp("zenml")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    own = {"ZENML_CONFIG_PATH": str(home), "ZENML_ANALYTICS_OPT_IN": "false", "PYTHONPATH": str(ROOT)}
    script = home / "submit.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=home, env={**kept, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("FOUND")[1])


def test_a_run_that_went_well_says_its_steps(found: Any) -> None:
    assert found["well"]["status"] == "completed"
    first, second = found["well"]["lines"]
    assert first.startswith("Step look has finished in ")
    assert second.startswith("Step judge has finished in ")


def test_a_step_s_refusal_is_the_command_s(found: Any) -> None:
    said = found["refused"]
    assert (said["error"], said["cause"], said["next"]) == ("Refused", "the gate says no. It is shut", "open it")
    assert said["lines"] == ["Using cached version of step look."]


def test_what_a_library_raised_is_one_line_and_the_logs_are_named(found: Any) -> None:
    said = found["broken"]
    assert (said["error"], said["cause"]) == ("ProjectError", "step judge: ValueError: a number is wrong")
    assert said["next"] == f"kubectl logs --all-namespaces --selector run_id={said['run']}"
