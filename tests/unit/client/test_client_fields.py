"""Generated declarations: whatever a contract calls its columns and codes becomes valid, harmless Python."""

from __future__ import annotations

import ast
import enum
from typing import Any

import pytest

from client.fields import declare, docstring, enumeration, text

NUMBER = {"title": "Age", "description": "Age: a number.", "type": "number", "minimum": 0, "maximum": 120}
CODES = {"title": "Chest pain", "description": "Chest pain.", "enum": [1, 2, None], "x-labels": {"1": "typical angina"}}


@pytest.mark.parametrize(
    ("name", "schema", "required", "code"),
    [
        ("age", NUMBER, True, "age: Annotated[float, Field(strict=True, ge=0, le=120)]"),
        (
            "age",
            {**NUMBER, "type": ["integer", "null"]},
            False,
            "age: Annotated[int, Field(strict=True, ge=0, le=120)] | None = None",
        ),
        (
            "chol",
            {**NUMBER, "anyOf": [NUMBER, {"enum": [0, "?"]}, {"type": "null"}], "x-missing": [0, "?", 9.5]},
            False,
            'chol: Annotated[float, Field(strict=True, ge=0, le=120)] | Literal[0, "?"] | None = None',
        ),
        ("free", {**NUMBER, "minimum": -3.4e38, "maximum": 3.4e38}, True, "free: Annotated[float, Field(strict=True)]"),
        ("cp", CODES, False, "cp: ChestPain | None = None"),
        ("ill", {"title": "Ill", "description": "", "enum": [False, True, 0, 1]}, True, "ill: bool"),
        ("mixed", {"title": "Mixed", "description": "", "enum": [1, "b"]}, True, 'mixed: Literal[1, "b"]'),
        ("class", CODES, True, 'class_: Annotated[ChestPain, Field(alias="class")]'),
        ("copy", CODES, True, 'copy_: Annotated[ChestPain, Field(alias="copy")]'),
        ("bool", CODES, True, 'bool_2: Annotated[ChestPain, Field(alias="bool")]'),
        ("stem length", CODES, True, 'stem_length: Annotated[ChestPain, Field(alias="stem length")]'),
        ("1st", CODES, True, 'field_1st: Annotated[ChestPain, Field(alias="1st")]'),
        ("_", CODES, True, 'field_: Annotated[ChestPain, Field(alias="_")]'),
        ('a"\n', CODES, True, 'a: Annotated[ChestPain, Field(alias="a\\"\\n")]'),
    ],
)
def test_a_field(name: str, schema: dict[str, Any], required: bool, code: str) -> None:
    assert declare(name, schema, required, {"bool"}).code == code
    ast.parse(code)


def test_names_that_become_alike_stay_apart() -> None:
    taken: set[str] = set()
    names = [declare(name, NUMBER, True, taken).code.partition(":")[0] for name in ("a b", "a_b", "a-b")]
    assert names == ["a_b", "a_b_2", "a_b_3"]
    first, second = declare("x", CODES, True, taken), declare("y", CODES, True, taken)
    assert (first.code, second.code) == ("x: ChestPain", "y: ChestPain_2")
    assert second.enum.startswith("class ChestPain_2(IntEnum):")


def run(source: str, name: str) -> Any:
    """The class that the source defines."""
    scope: dict[str, Any] = {"IntEnum": enum.IntEnum, "StrEnum": enum.StrEnum}
    exec(source, scope)  # noqa: S102  what this project generates
    return scope[name]


def test_an_enum_has_every_code() -> None:
    members: dict[int | str, str] = {-1: "", 0: "no", 3: "no", 4: "3 vessels", 5: "mro", 6: "Ünder–eins"}
    found = run(enumeration("Vessels", members, "Vessels"), "Vessels")
    assert {each.name: each.value for each in found} == {
        "CODE": -1, "NO": 0, "NO_2": 3, "CODE_3_VESSELS": 4, "MRO_2": 5, "ÜNDER_EINS": 6,
    }  # fmt: skip
    assert found.__doc__ == "Vessels."


HOSTILE = '"""\n\\import os; os.system("x")\u202e\'\'\''


def test_no_text_becomes_code() -> None:
    assert ast.literal_eval(text(HOSTILE)) == HOSTILE
    assert ast.literal_eval(docstring(HOSTILE)) == HOSTILE
    found = run(enumeration("Label", {HOSTILE: HOSTILE}, HOSTILE), "Label")
    assert [each.value for each in found] == [HOSTILE]
