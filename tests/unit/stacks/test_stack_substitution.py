"""`${VAR}` in stack files."""

from typing import Any

import pytest

from project.errors import ConfigError
from stacks.substitution import Missing, or_refuse, resolve

ENVIRONMENT = {"HOST": "h.example", "PORT": "81", "EMPTY": ""}


def where(at: tuple[str | int, ...]) -> str:
    return f"stack.yaml:{len(at)}"


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        pytest.param("${HOST}", "h.example", id="alone"),
        pytest.param("http://${HOST}:${PORT}/x", "http://h.example:81/x", id="two in a text"),
        pytest.param("${UNSET:-a b}", "a b", id="default"),
        pytest.param("${EMPTY:-other}", "other", id="empty counts as not set"),
        pytest.param("${UNSET:-}", "", id="empty default"),
        pytest.param("${HOST:?why}", "h.example", id="message unused"),
        pytest.param("$${HOST} $5", "${HOST} $5", id="a dollar sign"),
        pytest.param("{{secret.key}}", "{{secret.key}}", id="a secret reference stays"),
    ],
)
def test_text(text: str, resolved: str) -> None:
    assert resolve(text, ENVIRONMENT, where) == (resolved, [])


def test_tree_keeps_other_types_and_keys() -> None:
    tree: dict[str, Any] = {"a": ["${HOST}", 1, None], "${HOST}": {"b": True}}
    assert resolve(tree, ENVIRONMENT, where) == ({"a": ["h.example", 1, None], "${HOST}": {"b": True}}, [])


def test_missing_names_variable_place_and_message() -> None:
    _, missing = resolve({"url": "${ONE:?the server}", "x": ["${TWO}", "${EMPTY:?not empty}"]}, ENVIRONMENT, where)
    assert missing == [
        Missing("ONE", "stack.yaml:1", "the server"),
        Missing("TWO", "stack.yaml:2", ""),
        Missing("EMPTY", "stack.yaml:2", "not empty"),
    ]


def test_refusal_names_all_variables_once() -> None:
    missing = [
        Missing("ONE", "s.yaml:3", "the server"),
        Missing("TWO", "s.yaml:9", ""),
        Missing("ONE", "s.yaml:11", ""),
    ]
    with pytest.raises(ConfigError) as refusal:
        or_refuse(missing)
    assert refusal.value.cause == "s.yaml:3: the variable ONE is not set (nor TWO): the server"
    assert refusal.value.next_step == "export ONE=… TWO=…"


def test_nothing_missing_is_accepted() -> None:
    or_refuse([])


@pytest.mark.parametrize("text", ["${}", "${1A}", "${HOST", "${A:=b}", "${A-b}"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"stack\.yaml:0: .* is not a variable"):
        resolve(text, ENVIRONMENT, where)
