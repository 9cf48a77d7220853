"""The locks hold what pyproject asks for, pyproject asks for what is imported, and CI runs what a person types."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from project.paths import ROOT
from tests.unit.project_rules.tree import PACKAGES, modules

ENVIRONMENTS = [
    {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": system}
    for version in ("3.11", "3.12", "3.13")
    for system in ("linux", "darwin")
]


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def requirements(texts: Iterable[str]) -> list[Requirement]:
    found = (Requirement(text) for text in texts)
    return [each for each in found if each.name != pyproject()["project"]["name"]]


def asked() -> Mapping[str, list[Requirement]]:
    table = pyproject()["project"]
    extras = {name: requirements(texts) for name, texts in table["optional-dependencies"].items()}
    steps = requirements(table["dependencies"])
    run = [*steps, *extras["stores"], *extras["serving"]]
    return {
        "requirements.txt": run,
        "requirements/serving.txt": extras["serving"],
        "requirements/steps.txt": steps,
        "requirements/zenml-server.txt": extras["zenml-server"],
        "requirements/mlflow-server.txt": extras["mlflow-server"],
        "requirements/sbom.txt": extras["sbom"],
        "requirements/dev.txt": [*run, *extras["dev"]],
    }


def locked(path: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Distribution to its pinned version, on one platform and Python."""
    pins = requirements((ROOT / path).read_text(encoding="utf-8").splitlines())
    chosen = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(dict(environment))]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


@pytest.mark.parametrize("path", asked())
def test_a_lock_pins_what_pyproject_asks_for(path: str) -> None:
    for environment in ENVIRONMENTS:
        pins = locked(path, environment)
        for requirement in asked()[path]:
            if requirement.marker is None or requirement.marker.evaluate(dict(environment)):
                assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("path", asked())
def test_a_lock_holds_exact_pins_alone(path: str) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+( ; .+)?", line)] == []


def test_the_locks_agree() -> None:
    for environment in ENVIRONMENTS:
        run, serving, steps, zenml, mlflow, sbom, dev = (locked(path, environment) for path in asked())
        assert serving.items() | steps.items() | zenml.items() <= run.items() <= dev.items()
        assert mlflow.keys() - run.keys() == {"flask-wtf", "wtforms"}, "only the server of many users asks for these"
        for lock in (mlflow, sbom):
            assert {name: run[name] for name in lock.keys() & run.keys()}.items() <= lock.items()


def test_pyproject_asks_for_every_library_that_is_imported() -> None:
    imported = {
        name.partition(".")[0]
        for package in PACKAGES
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names(node)
    }
    providers = packages_distributions()
    declared = {canonicalize_name(requirement.name) for requirement in asked()["requirements.txt"]}
    foreign = imported - sys.stdlib_module_names - {*PACKAGES, "data"}
    missing = {name for name in foreign if not declared & {canonicalize_name(each) for each in providers.get(name, [])}}
    assert missing == set()


def names(node: ast.AST) -> list[str]:
    """What an import statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_ci_runs_what_a_person_types_on_every_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    job, quality = workflow["jobs"]["check-and-test"], workflow["jobs"]["data-quality"]
    assert workflow["permissions"] == {"contents": "read"}
    assert job["timeout-minutes"] <= 60
    assert quality["timeout-minutes"] <= 60
    assert [step["run"] for step in quality["steps"] if "run" in step] == ["make data-quality"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert re.findall(r"^ *(make .*)$", script, flags=re.MULTILINE) == [
        "make check",
        "make test-slow",
        "make test-docker",
        "make test",
    ]
    cluster = (ROOT / ".ci/cluster").read_text(encoding="utf-8")
    made = ["make test-docker", "make s3-image", "make platform-up", "make test-cluster", "make platform-down"]
    assert re.findall(r"^ *(make .*)$", cluster, flags=re.MULTILINE) == made
    assert 'eval "$(' not in script + cluster, "a command that fails there does not end the script"


def test_hooks_run_our_own_tools() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
