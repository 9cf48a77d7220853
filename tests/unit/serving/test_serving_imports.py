"""The server stands on its own lock."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

from project.paths import ROOT

ALLOWED = {"google", "grpclib", "jwt", "msgspec", "numpy", "onnxruntime", "redis", "serving", "uvicorn", "uvloop"}


def pins(path: str) -> set[str]:
    return {line for line in (ROOT / path).read_text().splitlines() if line and not line.startswith("#")}


def name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_serving_imports_its_own_lock_only() -> None:
    imported = set()
    for path in (ROOT / "serving").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    assert imported - set(sys.stdlib_module_names) == ALLOWED


def test_its_lock_has_the_pins_of_the_whole_and_all_of_the_extra() -> None:
    serving = pins("requirements/serving.txt")
    assert serving <= pins("requirements.txt")
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["serving"]
    assert {name(requirement) for requirement in extra} <= {name(pin) for pin in serving}


def test_its_lock_names_no_index() -> None:
    assert "://" not in (ROOT / "requirements/serving.txt").read_text()
