"""docs/portability.md names tests that exist, and says how they ended as the results say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from project.paths import ROOT
from tests import portability

NAMED = sorted({test for tests in portability.promised().values() for test in tests.values()})
RESULTS = """<testsuites><testsuite>
<testcase classname="tests.cluster.test_journey" name="test_one[a]"/>
<testcase classname="tests.cluster.test_journey" name="test_one[b]"><failure message="no"/></testcase>
<testcase classname="tests.cluster.test_journey" name="test_two"/>
<testcase classname="tests.cluster.test_journey" name="test_three"><skipped message="needs a cluster"/></testcase>
<testcase classname="tests.cluster.test_journey" name="test_four[a]"><skipped message="needs no cluster"/></testcase>
<testcase classname="tests.cluster.test_journey" name="test_four[b]"/>
<testcase classname="tests.cluster.test_journey" name="test_four[c]"><skipped message="needs no cluster"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize("test", NAMED)
def test_a_named_test_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_stack_and_capability_is_one_the_table_shows() -> None:
    assert {stack for tests in portability.promised().values() for stack in tests} == set(portability.STACKS)


def test_the_document_is_the_table_with_the_results_it_has() -> None:
    assert portability.DOCUMENT.read_text(encoding="utf-8") == portability.document(portability.written())


def test_one_case_that_failed_is_the_test_s_result_and_skipped_ones_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "results.xml"
    file.write_text(RESULTS, encoding="utf-8")
    assert portability.results([file]) == {
        "cluster/test_journey.py::test_one": "failed",
        "cluster/test_journey.py::test_two": "passed",
        "cluster/test_journey.py::test_three": "not run",
        "cluster/test_journey.py::test_four": "passed, 2 of 3 parameters skipped",
    }


def test_the_later_of_two_files_counts(tmp_path: Path) -> None:
    before, after = tmp_path / "before.xml", tmp_path / "after.xml"
    before.write_text(RESULTS, encoding="utf-8")
    after.write_text(RESULTS.replace('<failure message="no"/>', ""), encoding="utf-8")
    assert portability.results([before, after])["cluster/test_journey.py::test_one"] == "passed"
    assert portability.results([after, before])["cluster/test_journey.py::test_one"] == "failed"
