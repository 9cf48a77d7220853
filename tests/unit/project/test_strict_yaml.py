"""A YAML file into a typed model, or one line that says what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from project.errors import ConfigError, Exit
from project.strict_yaml import Strict, did_you_mean, misfits, read_tree, read_yaml, shown, validate


class Leaf(Strict):
    kind: Literal["leaf"]
    size: float = 1.0


class Twig(Strict):
    kind: Literal["twig"]
    leaves: list[Leaf] = []
    aliased: int = Field(default=0, alias="length")


class Fruit(Strict):
    name: str
    sort: str = ""


class Tree(Strict):
    name: str
    height: Annotated[float, Field(gt=0)]
    grown: bool = True
    branches: dict[str, Annotated[Leaf | Twig, Field(discriminator="kind")]] = {}
    age: int | None = None
    fruits: list[Fruit | str] = []
    season: Literal["summer", "winter"] = "summer"

    @model_validator(mode="after")
    def _old_is_high(self) -> Self:
        if self.age is not None and self.age > 100 and self.height < 1:
            raise misfits([(("height",), "an old tree is higher"), (("age",), "or younger")])
        return self


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tree.yaml"


def cause(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refusal:
        read_yaml(file, Tree)
    assert refusal.value.exit_code is Exit.USAGE
    return refusal.value.cause.removeprefix(str(file))


def test_a_file_that_fits(file: Path) -> None:
    file.write_text("name: oak\nheight: 3\nbranches:\n  low: {kind: twig, length: 2, leaves: [{kind: leaf}]}\n")
    tree = read_yaml(file, Tree)
    assert tree == Tree(
        name="oak", height=3.0, branches={"low": Twig(kind="twig", leaves=[Leaf(kind="leaf")], length=2)}
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", " is empty, expected a mapping of keys to values", id="empty"),
        pytest.param("- a\n", " is a list, expected a mapping of keys to values", id="a list"),
        pytest.param("17\n", " is 17, expected a mapping of keys to values", id="a number"),
        pytest.param("name: oak\n", ":1: 'height' is missing", id="a key missing"),
        pytest.param("{}\n", ":1: 'name' is missing (and 1 more)", id="all keys missing"),
        pytest.param(
            "name: oak\nheigth: 3\n", ":2: unknown key 'heigth'; did you mean 'height'? (and 1 more)", id="typo"
        ),
        pytest.param(
            "name: oak\nheight: 3\ncolour: x\n",
            ":3: unknown key 'colour'; allowed: age, branches, fruits, grown, height, name, season",
            id="nothing like it",
        ),
        pytest.param("name: oak\nheight: 3\nname: elm\n", ":3: key 'name' was given before, on line 1", id="twice"),
        pytest.param("name: 7\nheight: 3\n", ":1: 'name' is 7, expected text", id="a number for text"),
        pytest.param("name: oak\nheight: '3'\n", ":2: 'height' is '3', expected a number", id="text for a number"),
        pytest.param("name: oak\nheight: 0\n", ":2: 'height' is 0, expected more than 0", id="out of range"),
        pytest.param("name: oak\nheight: .inf\n", ":2: 'height' is .inf, expected a finite number", id="infinity"),
        pytest.param("name: oak\nheight: 3\ngrown: 1\n", ":3: 'grown' is 1, expected true or false", id="1 for true"),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low:\n    kind: leaf\n    sise: 2\n",
            ":6: unknown key 'branches.low.sise'; did you mean 'size'?",
            id="typo below a union",
        ),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low:\n    kind: twig\n    lenght: 2\n",
            ":6: unknown key 'branches.low.lenght'; did you mean 'length'?",
            id="typo of an alias",
        ),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low:\n    kind: twig\n    leaves:\n    - kind: leaf\n      sice: 2\n",
            ":8: unknown key 'branches.low.leaves.0.sice'; did you mean 'size'?",
            id="typo in a list",
        ),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low:\n    kinds: twig\n",
            ":4: unknown key 'branches.low.kinds'; did you mean 'kind'?",
            id="typo of a union's tag",
        ),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low: {}\n",
            ":4: 'branches.low.kind' is missing",
            id="a union without its tag",
        ),
        pytest.param(
            "name: oak\nheight: 3\nbranches:\n  low:\n    kind: leav\n    size: 2\n",
            ":5: 'branches.low.kind' is 'leav'; did you mean 'leaf'?",
            id="a union's tag",
        ),
        pytest.param(
            "name: oak\nheight: 3\nfruits: [apple, {sort: pear, sweet: yes}]\n",
            ":3: unknown key 'fruits.1.sweet'; allowed: name, sort (and 1 more)",
            id="typo in one of several forms",
        ),
        pytest.param(
            "name: oak\nheight: 3\nfruits: [apple, {sort: pear}]\n",
            ":3: 'fruits.1.name' is missing",
            id="a key missing in one of several forms",
        ),
        pytest.param(
            "name: oak\nheight: 3\nfruits: [apple, 2.5]\n",
            ":3: 'fruits.1' is 2.5, expected keys and values or text",
            id="none of several forms",
        ),
        pytest.param(
            "name: oak\nheight: 3\nseason: sumer\n", ":3: 'season' is 'sumer'; did you mean 'summer'?", id="a word"
        ),
        pytest.param(
            "name: oak\nheight: 0.5\nage: 200\n", ":2: height: an old tree is higher (and 1 more)", id="a disagreement"
        ),
        pytest.param("name: [oak\n", ":2 is not YAML: did not find expected ',' or ']'", id="a bracket left open"),
        pytest.param("name: oak\nheight: 2024-13-01\n", " is not YAML: month must be in 1..12", id="no such date"),
        pytest.param("name: &a [*a]\n", " is nested too deeply, or an alias stands inside", id="a ring"),
        pytest.param("name: !tree oak\n", ":1 is not YAML: could not determine a constructor", id="a tag"),
        pytest.param("name: oak\n---\nname: elm\n", ":2 is not YAML: but found another document", id="two documents"),
        pytest.param("name: oak\x07\n", " is not YAML: ", id="a control character"),
        pytest.param("? [a, b]\n: 1\nname: oak\n", ":1: a key is a word, not a list or mapping", id="a list for a key"),
    ],
)
def test_what_does_not_fit(file: Path, text: str, message: str) -> None:
    assert cause(file, text).startswith(message)


def test_a_file_that_is_not_there(file: Path) -> None:
    file.touch()
    with pytest.raises(ConfigError, match=r"tres\.yaml does not exist; did you mean 'tree'\?"):
        read_tree(file.with_name("tres.yaml"))
    with pytest.raises(ConfigError, match=r"xyz\.yaml does not exist\. Next: restore it"):
        read_tree(file.with_name("xyz.yaml"))


def test_a_file_that_can_not_be_read(file: Path) -> None:
    file.write_bytes(b"name: \xe4\n")
    with pytest.raises(ConfigError, match="can not be read: 'utf-8' codec can't decode byte 0xe4"):
        read_tree(file)
    with pytest.raises(ConfigError, match=r"can not be read: .*Is a directory"):
        read_tree(file.parent)


def test_lines_of_every_key(file: Path) -> None:
    file.write_text("a: 1\nb:\n  - c: 2\n    d: [3,\n      4]\n")
    value, lines = read_tree(file)
    assert value == {"a": 1, "b": [{"c": 2, "d": [3, 4]}]}
    assert lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "d"): 4,
        ("b", 0, "d", 0): 4,
        ("b", 0, "d", 1): 5,
    }


def test_a_value_without_lines(file: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        validate({"name": "oak", "heigth": 1}, Tree, file)
    assert refusal.value.cause == f"{file}: unknown key 'heigth'; did you mean 'height'? (and 1 more)"


def test_paths_as_one_would_type_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "configs" / "a.yaml") == "configs/a.yaml"
    assert shown(tmp_path.parent / "a.yaml") == str(tmp_path.parent / "a.yaml")


def test_near_names() -> None:
    assert did_you_mean("hart", ["heart", "penguins"]) == "; did you mean 'heart'?"
    assert did_you_mean("x", ["b", "a"]) == "; allowed: a, b"
    assert did_you_mean("x", [f"name {n:02}" for n in range(13)]).endswith("name 11, …")
