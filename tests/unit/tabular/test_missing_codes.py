"""Which numbers of a column look like a code for "not measured"."""

from __future__ import annotations

import pytest

from tabular.missing_codes import missing_codes


@pytest.mark.parametrize(
    ("numbers", "codes"),
    [
        pytest.param([*range(18, 90), -999], [-999], id="below ages"),
        pytest.param([*range(18, 90), 999], [999], id="above ages"),
        pytest.param([0.5, 1.5, 2.5, -9, 99], [-9, 99], id="on both sides"),
        pytest.param([0, 1, 2, 3, 9999, 99999], [9999, 99999], id="two of them"),
        pytest.param([*range(90), -9], [], id="near the others"),
        pytest.param([*range(18, 90), -998], [], id="no such code"),
        pytest.param([*range(100), 5000], [], id="a large value"),
        pytest.param([-999, 1, 2], [], id="too few others"),
        pytest.param([], [], id="none"),
    ],
)
def test_missing_codes(numbers: list[float], codes: list[float]) -> None:
    assert missing_codes(numbers) == codes
