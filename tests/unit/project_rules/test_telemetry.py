"""Nothing is sent home: every way to start the project says so before a library that would is imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from project.paths import ROOT
from project.telemetry import OPT_OUTS, opt_out

# What the environment was when a library that sends was first looked for, and at the end, which comes right then.
PROBE = """
import json, os, runpy, sys
first = {}

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in ("zenml", "mlflow", "evidently", "great_expectations"):
            first[name] = dict(os.environ)
            raise SystemExit

sys.meta_path.insert(0, Finder)
sys.argv = ["run.py", *sys.argv[1:]]
try:
    runpy.run_path("run.py", run_name="__main__")
finally:
    print("\\n" + json.dumps({"first": first, "end": dict(os.environ)}))
"""
MANDATORY = {"ZENML_ANALYTICS_OPT_IN", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "GX_ANALYTICS_ENABLED"}


@pytest.mark.parametrize("command", ["train --stack local", "stack apply local", "stack list", "status"])
def test_a_command_opts_out_before_it_imports_a_library(command: str) -> None:
    plain = {k: v for k, v in os.environ.items() if k not in OPT_OUTS}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *command.split()],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert (set(found["first"]) == {"zenml"}) == ("local" in command)
    for environment in (*found["first"].values(), found["end"]):
        assert {name: environment.get(name) for name in OPT_OUTS} == OPT_OUTS


def test_what_the_user_decided_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    opt_out()
    assert os.environ["DO_NOT_TRACK"] == "0"


def test_make_and_ci_opt_out_too() -> None:
    makefile = (ROOT / "Makefile").read_text()
    exported = dict(re.findall(r"^export (\w+) := (\S+)$", makefile, flags=re.MULTILINE))
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    wanted = {name: OPT_OUTS[name] for name in sorted(MANDATORY)}
    assert {name: exported[name] for name in sorted(MANDATORY)} == wanted
    assert {name: workflow["env"][name] for name in sorted(MANDATORY)} == wanted
