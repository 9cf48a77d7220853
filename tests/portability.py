"""The portability table: stack, capability, the test that proves it, and how that test ended.

    python -m tests.portability build/tests.xml build/tests-cluster.xml

writes docs/portability.md from `tests/portability.yaml` and the results that `make test`, `make test-docker` and
`make test-cluster` leave. What no file has a result of has not run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import yaml

from project.paths import ROOT

TABLE, DOCUMENT = ROOT / "tests" / "portability.yaml", ROOT / "docs" / "portability.md"
STACKS = ("local", "minikube", "eks")
NOT_RUN, PASSED, FAILED = "not run", "passed", "failed"
CELL = re.compile(r"\]\(\.\./tests/[^ ]+ \"([^\"]+)\"\) ([a-z0-9, ]+?) \|")
"""A test and how it ended, as `_cell` writes them."""
HEAD = """# What holds on which stack

A cell names the test that proves it, and how that test ended. Written by `python -m tests.portability build/tests*.xml`
from [tests/portability.yaml](../tests/portability.yaml) and what `make test`, `make test-docker` and
`make test-cluster` leave under `build/`; "not run": none of them has it, or it was skipped. `minikube` ran on a
Kubernetes 1.33 of one node; of `eks` there is what needs no AWS account. An empty cell: no test.

"""


def promised() -> dict[str, dict[str, str]]:
    """Capability to the test of each stack."""
    found: dict[str, dict[str, str]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return found


def results(files: Iterable[Path]) -> dict[str, str]:
    """Test, without its parameters, to how all its cases ended; of two files that have a case the later counts."""
    found: dict[str, dict[str, set[str]]] = {}
    for file in files:
        of_file: dict[str, dict[str, set[str]]] = {}
        for case in ET.parse(file).iter("testcase"):  # noqa: S314  pytest's own file
            module = case.attrib["classname"].removeprefix("tests.").replace(".", "/")
            name, _, parameters = case.attrib["name"].partition("[")
            ended = {child.tag for child in case}
            outcome = FAILED if ended & {"failure", "error"} else NOT_RUN if "skipped" in ended else PASSED
            of_file.setdefault(f"{module}.py::{name}", {}).setdefault(parameters, set()).add(outcome)
        for test, cases in of_file.items():
            found.setdefault(test, {}).update(cases)
    ended_as: dict[str, str] = {}
    for test, cases in found.items():
        skipped = [each for each in cases.values() if each == {NOT_RUN}]
        if any(FAILED in each for each in cases.values()):
            ended_as[test] = FAILED
        elif len(skipped) == len(cases):
            ended_as[test] = NOT_RUN
        else:
            ended_as[test] = f"{PASSED}, {len(skipped)} of {len(cases)} parameters skipped" if skipped else PASSED
    return ended_as


def written() -> dict[str, str]:
    """The results that the document has."""
    return dict(CELL.findall(DOCUMENT.read_text(encoding="utf-8")))


def document(ended: Mapping[str, str]) -> str:
    """The page."""
    lines = [f"| capability | {' | '.join(STACKS)} |", f"|--|{'--|' * len(STACKS)}"]
    for capability, tests in promised().items():
        cells = [_cell(tests[stack], ended) if stack in tests else "" for stack in STACKS]
        lines.append(f"| {capability} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def _cell(test: str, ended: Mapping[str, str]) -> str:
    file, _, name = test.partition("::")
    return f'[{name}](../tests/{file} "{test}") {ended.get(test, NOT_RUN)}'


def main(files: Iterable[str]) -> None:
    """Write the document."""
    DOCUMENT.write_text(document(results(map(Path, files))), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
