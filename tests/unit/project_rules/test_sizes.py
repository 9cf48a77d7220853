"""When one of these grows beyond its limit the design is wrong, not the limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from project.paths import ROOT
from tests.unit.project_rules.tree import PACKAGES, modules

STEP, PIPELINE, CONFIG, RUN, MODULE = 80, 60, 60, 120, 250


def sized() -> list[tuple[Path, int]]:
    own = {
        **{path: MODULE for package in (*PACKAGES, "data") for path in modules(package)},
        **dict.fromkeys(modules("steps"), STEP),
        **dict.fromkeys(modules("pipelines"), PIPELINE),
        **dict.fromkeys((ROOT / "configs").glob("*.yaml"), CONFIG),
        ROOT / "run.py": RUN,
    }
    return sorted(own.items())


@pytest.mark.parametrize(
    ("path", "limit"), [pytest.param(*each, id=str(each[0].relative_to(ROOT))) for each in sized()]
)
def test_a_file_stays_below_its_limit(path: Path, limit: int) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= limit


def test_a_step_file_holds_one_step_of_its_name() -> None:
    for path in modules("steps"):
        if "\n@step" in (text := path.read_text(encoding="utf-8")):
            assert (text.count("\n@step"), f"\ndef {path.stem}(" in text) == (1, True), path.name
