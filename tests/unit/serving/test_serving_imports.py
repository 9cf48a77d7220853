"""The server stands on its own lock."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

from project.paths import ROOT

ALLOWED = {
    "google", "grpclib", "httptools", "jwt", "msgspec", "numpy", "obstore", "onnxruntime", "redis", "serving",
    "uvicorn", "uvloop",
}  # fmt: skip


def pins(path: str) -> set[str]:
    """`name==version` of each line; for which Python it holds depends on who else wants it."""
    return {
        line.partition(" ;")[0] for line in (ROOT / path).read_text().splitlines() if line and not line.startswith("#")
    }


def name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def imported() -> set[str]:
    """Every package that a module of the server imports, at its start or later."""
    found = set()
    for path in (ROOT / "serving").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).split(".")[0])
    return found


def test_serving_imports_its_own_lock_only() -> None:
    assert imported() - set(sys.stdlib_module_names) == ALLOWED


def test_serving_reads_nothing_that_could_run_code() -> None:
    assert imported() & {"copyreg", "ctypes", "dbm", "marshal", "multiprocessing", "pickle", "runpy", "shelve"} == set()
    calls = [
        f"{path.name}: {ast.unparse(node)}"
        for path in (ROOT / "serving").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"eval", "exec", "compile", "np.load", "np.save"}
    ]
    assert calls == []


def test_what_only_an_option_needs_is_imported_with_it() -> None:
    optional = {"grpclib", "jwt", "obstore", "redis"}
    probe = f"import sys, serving.__main__, serving.worker; print(sorted({optional} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_supervisor_is_light() -> None:
    probe = "import sys, serving.__main__; print(sorted({'numpy', 'onnxruntime', 'uvicorn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_its_lock_has_the_pins_of_the_whole_and_all_of_the_extra() -> None:
    serving = pins("requirements/serving.txt")
    assert serving <= pins("requirements.txt")
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["serving"]
    assert {name(requirement) for requirement in extra} <= {name(pin) for pin in serving}


def test_its_lock_names_no_index() -> None:
    assert "://" not in (ROOT / "requirements/serving.txt").read_text()
