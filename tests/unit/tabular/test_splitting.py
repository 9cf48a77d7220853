"""The split of the training site: stratified, seeded, disjoint."""

from __future__ import annotations

import pandas as pd
import pytest

from project.errors import Refused
from tabular.splitting import split_rows


def table(**counts: int) -> pd.DataFrame:
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"row": range(len(kinds)), "kind": pd.array(kinds, dtype="string")})


def test_every_row_is_on_one_side_and_shares_are_kept() -> None:
    train, test = split_rows(table(cat=60, dog=30, cow=10), "kind", 0.2, seed=1)
    assert sorted([*train["row"], *test["row"]]) == list(range(100))
    assert train["kind"].value_counts().to_dict() == {"cat": 48, "dog": 24, "cow": 8}
    assert test["kind"].value_counts().to_dict() == {"cat": 12, "dog": 6, "cow": 2}
    assert (list(train.index), list(test.index)) == (list(range(80)), list(range(20)))


def test_the_seed_decides() -> None:
    (_, test), (_, again), (_, other) = (split_rows(table(cat=60, dog=40), "kind", 0.2, seed) for seed in (1, 1, 2))
    assert list(test["row"]) == list(again["row"])
    assert set(test["row"]) != set(other["row"])


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        pytest.param({"cat": 50, "dog": 1}, 0.2, id="a class of one row"),
        pytest.param({"cat": 2, "dog": 2}, 0.2, id="fewer test rows than classes"),
        pytest.param({"cat": 1}, 0.2, id="one row"),
    ],
)
def test_what_can_not_be_split_is_refused(counts: dict[str, int], share: float) -> None:
    with pytest.raises(Refused) as refusal:
        split_rows(table(**counts), "kind", share, seed=1)
    assert refusal.value.cause.startswith(f"{sum(counts.values())} rows can not be split by 'kind': ")
