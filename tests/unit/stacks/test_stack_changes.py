"""Differences and their text."""

from stacks.changes import ABSENT, Action, Change, diff_text, differing_keys


def test_differing_keys_walks_nested_values() -> None:
    registered = {"same": 1, "deep": {"a": [1], "b": 2}, "gone": "x"}
    declared = {"same": 1, "deep": {"a": [1, 2], "b": 2}, "new": {"k": None}}
    assert list(differing_keys(registered, declared)) == [
        ("deep.a", [1], [1, 2]),
        ("gone", "x", ABSENT),
        ("new", ABSENT, {"k": None}),
    ]


def test_equal_values_do_not_differ() -> None:
    assert list(differing_keys({"a": {"b": 1}}, {"a": {"b": 1}})) == []


def test_diff_text() -> None:
    changes = [
        Change(Action.CREATE, "stack x"),
        Change(Action.UPDATE, "model_deployer x", "configuration.port", 8000, ABSENT),
        Change(Action.UNSAFE, "artifact_store x", "configuration.path", "s3://a", "s3://b", "old artifacts"),
    ]
    assert diff_text(changes).splitlines() == [
        "+ stack x",
        "~ model_deployer x: configuration.port: 8000 -> absent",
        "! artifact_store x: configuration.path: 's3://a' -> 's3://b'  (old artifacts)",
    ]


def test_as_dict_is_plain() -> None:
    assert Change(Action.CREATE, "stack x").as_dict() == {
        "action": "create",
        "part": "stack x",
        "key": "",
        "registered": "absent",
        "declared": "absent",
        "reason": "",
    }
